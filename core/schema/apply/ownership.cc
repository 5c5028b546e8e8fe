#include "core/schema/apply/ownership.h"

#include "core/base/strings.h"

namespace bramble {

namespace {

constexpr std::string_view kAny = "*";

FieldSet below_prefixes(const FieldSet& set, const std::vector<FieldPath>& prefixes, size_t depth) {
  FieldSet out;
  for (const FieldSet::Node& node : set.nodes()) {
    std::vector<FieldPath> matching;
    bool whole = false;
    for (const FieldPath& p : prefixes) {
      if (depth >= p.size() || (p[depth] != kAny && p[depth] != node.element)) continue;
      matching.push_back(p);
      whole = whole || p.size() == depth + 1;
    }
    if (whole) out.append(node.element, node.member, node.below);
    // A step on the way to a prefix counts as well: its member says that the way is there.
    else if (!matching.empty()) out.append(node.element, node.member, below_prefixes(node.below, matching, depth + 1));
  }
  return out;
}

// Objects in the version of a manager, made when first asked for.
class Versions {
 public:
  struct View {
    Value object;
    MergeShape shape;
    FieldFilter filter;
    Document made;  // holds a converted object
  };
  Versions(const ApplyContext& context, Value object) : context_(context) {
    views_[context.version] = View{object, context.shape, context.filter, {}};
  }
  // Null: the version is not known.
  const View* in(const std::string& version) {
    auto at = views_.find(version);
    if (at == views_.end()) at = views_.emplace(version, convert(version)).first;
    return at->second ? &*at->second : nullptr;
  }

 private:
  std::optional<View> convert(const std::string& version) const {
    if (!context_.convert) return std::nullopt;
    const Value object = views_.find(context_.version)->second->object;
    auto made = context_.convert(object, context_.version, version);
    if (!made) return std::nullopt;
    View view{made->object.root(), made->shape, made->filter, made->object};
    return view;
  }
  const ApplyContext& context_;
  std::map<std::string, std::optional<View>, std::less<>> views_;
};

// What the atomic types of today make of sets from before; owners of versions that are gone are dropped.
Owners reconciled(const ApplyContext& context, Value live, Owners owners) {
  Versions versions(context, live);
  for (auto at = owners.begin(); at != owners.end();) {
    const Versions::View* view = versions.in(at->second.version);
    if (view == nullptr) {
      at = owners.erase(at);
      continue;
    }
    if (auto fitting = fit_to_schema(view->shape, at->second.set)) at->second.set = std::move(*fitting);
    ++at;
  }
  return owners;
}

struct Change {
  Comparison main;  // in the version of the request
  Owners conflicts;  // what others own of what changed
};

Result<Comparison> compare_in(const Versions::View& before, const Versions::View& after) {
  TRY_ASSIGN(Comparison c, compare_values(after.shape, before.object, after.object, after.filter.without()));
  c.removed = after.filter.apply(std::move(c.removed));
  c.modified = after.filter.apply(std::move(c.modified));
  c.added = after.filter.apply(std::move(c.added));
  return c;
}

// Takes from the other owners what changed between two objects. Without force nothing is taken when they own of it.
Result<Change> take_changes(const ApplyContext& context, Value before, Value after, std::string_view owner, bool force, Owners& owners) {
  Versions old_versions(context, before), new_versions(context, after);
  struct Seen {
    FieldSet removed, changed;  // changed: modified or added
  };
  std::map<std::string, Seen, std::less<>> seen;
  auto look = [](const Comparison& c) { return Seen{c.removed, unite(c.modified, c.added)}; };
  Change out;
  TRY_ASSIGN(out.main, compare_in(*old_versions.in(context.version), *new_versions.in(context.version)));
  if (out.main.same() && owners.empty()) return out;
  seen[context.version] = look(out.main);
  std::vector<std::pair<std::string, const Seen*>> others;
  for (const auto& [id, owned] : owners) {
    if (id == owner) continue;
    auto at = seen.find(owned.version);
    if (at == seen.end()) {
      const Versions::View *a = old_versions.in(owned.version), *b = new_versions.in(owned.version);
      if (a == nullptr || b == nullptr) {
        others.emplace_back(id, nullptr);
        continue;
      }
      TRY_ASSIGN(Comparison c, compare_in(*a, *b));
      at = seen.emplace(owned.version, look(c)).first;
    }
    others.emplace_back(id, &at->second);
    FieldSet taken = intersect(owned.set, at->second.changed);
    if (!taken.empty()) out.conflicts[id] = OwnedFields{std::move(taken), owned.version, false};
  }
  if (!force && !out.conflicts.empty()) return out;
  for (const auto& [id, seen_by] : others) {
    auto at = owners.find(id);
    if (seen_by == nullptr) {
      owners.erase(at);
      continue;
    }
    auto conflict = out.conflicts.find(id);
    if (conflict != out.conflicts.end()) at->second.set = subtract(std::move(at->second.set), conflict->second.set);
    at->second.set = subtract(std::move(at->second.set), seen_by->removed);
    if (at->second.set.empty()) owners.erase(at);
  }
  auto own = owners.find(owner);
  if (own != owners.end() && own->second.set.empty()) owners.erase(own);
  return out;
}

// An object while fields are taken out of it and given back, in one version at a time.
struct Moving {
  Document object;
  std::string version;
  MergeShape shape;
};

std::optional<Moving> moved(const ApplyContext& context, const Moving& from, const std::string& version) {
  if (from.version == version) return from;
  if (!context.convert) return std::nullopt;
  auto made = context.convert(from.object.root(), from.version, version);
  if (!made) return std::nullopt;
  return Moving{made->object, version, made->shape};
}

FieldSet named(const Moving& m) { return with_named_fields(m.shape, field_set_of(m.shape, m.object.root())); }

// Of what `pruned` lost against `merged`, what `owned` names comes back.
void give_back_owned(const ApplyContext& context, Moving& merged, Moving& pruned, const std::string& version, const FieldSet& owned) {
  auto m = moved(context, merged, version);
  if (!m) return;
  merged = *m;
  auto p = moved(context, pruned, version);
  if (!p) return;
  pruned = *p;
  FieldSet kept = unite(named(pruned), with_named_fields(merged.shape, owned));
  pruned.object = remove_fields(merged.shape, merged.object.root(), subtract(named(merged), kept));
}

// Takes out of `merged` what `last` owned and applies no more, unless somebody else owns it.
Document prune(const ApplyContext& context, Document merged_object, const Owners& owners, const OwnedFields& last) {
  const Moving start{merged_object, context.version, context.shape};
  auto merged = moved(context, start, last.version);
  if (!merged) return merged_object;
  const FieldSet gone = with_named_fields(merged->shape, last.set);
  Moving pruned{remove_fields(merged->shape, merged->object.root(), gone), last.version, merged->shape};

  std::map<std::string, FieldSet> by_version;
  for (const auto& [id, owned] : owners) by_version[owned.version] = unite(std::move(by_version[owned.version]), owned.set);
  Moving walking = *merged;
  // The version of the last apply first: other versions may need what it gives back.
  auto first = by_version.find(last.version);
  if (first != by_version.end()) {
    give_back_owned(context, walking, pruned, first->first, first->second);
    by_version.erase(first);
  }
  for (const auto& [version, owned] : by_version) give_back_owned(context, walking, pruned, version, owned);

  // What nobody owns, or only by chance went with it, comes back too.
  auto back = moved(context, pruned, last.version);
  if (!back) return merged_object;
  const FieldSet lost = subtract(named(*merged), named(*back));
  Moving out{remove_fields(merged->shape, merged->object.root(), intersect(lost, gone)), last.version, merged->shape};
  auto home = moved(context, out, context.version);
  return home ? home->object : merged_object;
}

}  // namespace

FieldFilter FieldFilter::without(FieldSet fields) {
  FieldFilter out;
  out.without_ = std::move(fields);
  return out;
}

FieldFilter FieldFilter::only(std::vector<FieldPath> prefixes) {
  FieldFilter out;
  out.only_ = std::move(prefixes);
  return out;
}

FieldSet FieldFilter::apply(FieldSet set) const {
  if (!only_.empty()) set = below_prefixes(set, only_, 0);
  return subtract_whole(std::move(set), without_);
}

Result<FieldSet> own_by_creation(const ApplyContext& context, Value none, Value object) {
  TRY_ASSIGN(Comparison c, compare_values(context.shape, none, object, context.filter.without()));
  return context.filter.apply(unite(std::move(c.modified), std::move(c.added)));
}

Status own_by_update(const ApplyContext& context, Value before, Value after, std::string_view owner, Owners& owners) {
  owners = reconciled(context, before, std::move(owners));
  TRY_ASSIGN(Change change, take_changes(context, before, after, owner, true, owners));
  FieldSet own;
  auto at = owners.find(owner);
  if (at != owners.end()) own = std::move(at->second.set);
  own = unite(unite(subtract(std::move(own), change.main.removed), std::move(change.main.modified)), std::move(change.main.added));
  own = context.filter.apply(std::move(own));
  if (own.empty()) {
    if (at != owners.end()) owners.erase(at);
  } else {
    owners[std::string(owner)] = OwnedFields{std::move(own), context.version, false};
  }
  return ok();
}

Result<ApplyOutcome> apply_config(const ApplyContext& context, Value live, Value config, std::string_view owner, bool force, Owners owners) {
  ApplyOutcome out;
  owners = reconciled(context, live, std::move(owners));
  auto made = merge_values(context.shape, live, config);
  if (!made.ok()) return made.error().prefixed("failed to merge config");
  Document merged = std::move(*made);
  const auto last_at = owners.find(owner);
  const OwnedFields last = last_at == owners.end() ? OwnedFields() : last_at->second;
  owners[std::string(owner)] = OwnedFields{context.filter.apply(field_set_of(context.shape, config)), context.version, true};
  if (!last.set.empty()) merged = prune(context, merged, owners, last);
  auto taken = take_changes(context, live, merged.root(), owner, force, owners);
  if (!taken.ok()) return taken.error().prefixed("failed to compare objects");
  const Change& change = *taken;
  if (!force) {
    for (const auto& conflict : change.conflicts) {
      conflict.second.set.each([&](const FieldPath& path) { out.conflicts.push_back({conflict.first, path}); });
    }
    if (!out.conflicts.empty()) return out;
  }
  out.owners = std::move(owners);
  if (!equal(live, merged.root())) out.object = merged;
  return out;
}

}  // namespace bramble

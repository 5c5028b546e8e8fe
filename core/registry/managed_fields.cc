#include "core/registry/managed_fields.h"

#include <algorithm>
#include <unordered_map>

#include "core/base/limits.h"
#include "core/registry/object_meta.h"
#include "core/registry/reset_fields.h"
#include "core/schema/apply/go_value.h"

namespace bramble {

namespace {

constexpr std::string_view kApply = "Apply", kUpdate = "Update", kFieldsType = "FieldsV1";
constexpr std::string_view kSelf = "current-operation";  // the writer, while it is worked out what it takes
constexpr std::string_view kAncient = "ancient-changes";

// What no manager owns: names, and what the system keeps.
const FieldSet& kept_by_the_system() {
  static const FieldSet set =
      FieldSet::of({"apiVersion", "kind", "metadata", "metadata.name", "metadata.namespace", "metadata.creationTimestamp", "metadata.selfLink",
                    "metadata.uid", "metadata.clusterName", "metadata.generation", "metadata.managedFields", "metadata.resourceVersion"});
  return set;
}

bool is_reset(Value list) { return list.is_array() && (list.size() == 0 || (list.size() == 1 && list.item(0).size() == 0)); }

ManagedFields read_or_none(Value list) {
  auto read = ManagedFields::read(list);
  return read.ok() ? std::move(*read) : ManagedFields();
}

// The fields that a write starts from.
ManagedFields fields_before(const FieldWriter& writer, Value live, Value next) {
  Value stored = live["metadata"]["managedFields"];
  if (!writer.subresource.empty()) return read_or_none(stored);
  Value given = next["metadata"]["managedFields"];
  if (is_reset(given)) return {};
  // Clients that know nothing of them must not lose them by chance.
  auto read = ManagedFields::read(given);
  return read.ok() && !read->owners.empty() ? std::move(*read) : read_or_none(stored);
}

// Merges the oldest of too many updates, those of one version with each other.
void cap_updates(ManagedFields& managed) {
  std::vector<std::pair<std::string, std::string>> updates;  // time, id
  for (const auto& [id, owned] : managed.owners) {
    if (owned.applied) continue;
    auto time = managed.times.find(id);
    updates.emplace_back(time == managed.times.end() ? std::string() : time->second, id);
  }
  std::sort(updates.begin(), updates.end());
  size_t count = updates.size();
  std::map<std::string, std::string> oldest;  // by version
  for (const auto& [time, id] : updates) {
    if (count <= limits::kUpdateManagersMax) return;
    const std::string version = managed.owners.find(id)->second.version;
    const std::string bucket = OwnerName{std::string(kAncient), false, version, {}}.id();
    auto [first, fresh] = oldest.try_emplace(version, id);
    if (fresh || id == bucket) continue;
    auto at = managed.owners.find(bucket);
    if (at == managed.owners.end()) {
      auto node = managed.owners.extract(first->second);
      node.key() = bucket;
      at = managed.owners.insert(std::move(node)).position;
    }
    at->second.set = unite(std::move(at->second.set), std::move(managed.owners.find(id)->second.set));
    managed.owners.erase(id);
    managed.times[bucket] = time;
    count--;
  }
}

}  // namespace

std::string OwnerName::id() const {
  std::string out = "{";
  auto add = [&](std::string_view key, std::string_view value) {
    if (!value.empty()) out += cat(out.size() > 1 ? "," : "", "\"", key, "\":", go_json_string(value));
  };
  add("manager", manager);
  add("operation", applies ? kApply : kUpdate);
  if (!applies) add("apiVersion", api_version);
  add("subresource", subresource);
  return out + "}";
}

OwnerName OwnerName::of_id(std::string_view id) {
  auto parsed = Document::parse(id);
  CHECK(parsed.ok(), id);
  Value v = parsed->root();
  return OwnerName{v["manager"].text(), v["operation"].str() == kApply, v["apiVersion"].text(), v["subresource"].text()};
}

TrackedType TrackedType::of(const Kind& served, std::string_view subresource) {
  TrackedType out;
  out.group = served.group, out.version = served.version, out.kind = served.kind;
  out.type = served.type;
  out.served = &served;
  out.subresource = subresource;
  out.filter = reset_fields(served, subresource);
  return out;
}

TrackedType TrackedType::scale(const Kind& scaled) {
  TrackedType out;
  out.group = scaled.scale.group, out.version = scaled.scale.version, out.kind = "Scale";
  out.type = Type::find_kind(out.group, out.version, out.kind);
  return out;
}

Result<ManagedFields> ManagedFields::read(Value list) {
  ManagedFields out;
  size_t i = 0;
  for (Value entry : list.items()) {
    auto refuse = [](std::string why) { return Error(Code::kInvalidArgument, std::move(why)); };
    const std::string_view operation = entry["operation"].str(), type = entry["fieldsType"].str();
    if (operation != kApply && operation != kUpdate) return refuse("operation must be `Apply` or `Update`");
    OwnedFields owned;
    owned.version = entry["apiVersion"].text();
    owned.applied = operation == kApply;
    if (owned.version.empty()) return refuse("apiVersion must not be empty");
    if (type.empty()) return refuse(cat("missing fieldsType in managed fields entry ", i));
    if (type != kFieldsType) return refuse(cat("invalid fieldsType ", go_quote(type), " in managed fields entry ", i));
    OwnerName name{entry["manager"].text(), owned.applied, owned.version, entry["subresource"].text()};
    if (Value fields = entry["fieldsV1"]; fields && !fields.is_null()) {
      TRY_ASSIGN(owned.set, FieldSet::parse(fields));
    }
    std::string id = name.id();
    if (entry["time"].is_string()) out.times[id] = entry["time"].text();
    out.owners[std::move(id)] = std::move(owned);
    i++;
  }
  return out;
}

void ManagedFields::write(Mut metadata) const {
  metadata.remove("managedFields");
  if (owners.empty()) return;
  struct Entry {
    OwnerName name;
    std::string_view time;
    const OwnedFields* owned;
  };
  std::vector<Entry> entries;
  for (const auto& [id, owned] : owners) {
    auto time = times.find(id);
    entries.push_back({OwnerName::of_id(id), time == times.end() ? std::string_view() : time->second, &owned});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    if (a.owned->applied != b.owned->applied) return a.owned->applied;
    if (a.time != b.time) return a.time < b.time;
    if (a.name.manager != b.name.manager) return a.name.manager < b.name.manager;
    if (a.owned->version != b.owned->version) return a.owned->version < b.owned->version;
    return a.name.subresource < b.name.subresource;
  });
  Mut list = metadata.add_array("managedFields");
  for (const Entry& e : entries) {
    Mut entry = list.append_object();
    if (!e.name.manager.empty()) entry.add("manager", e.name.manager);
    entry.add("operation", e.owned->applied ? kApply : kUpdate);
    entry.add("apiVersion", e.owned->version);
    if (!e.time.empty()) entry.add("time", e.time);
    entry.add("fieldsType", kFieldsType);
    e.owned->set.write(entry.add_object("fieldsV1"));
    if (!e.name.subresource.empty()) entry.add("subresource", e.name.subresource);
  }
}

namespace {

Document make_empty_object(const TrackedType& type) {
  Builder identity;
  identity.root().add("kind", type.kind);
  identity.root().add("apiVersion", type.api_version());
  Document named = identity.finish();
  auto canonical = canonicalize(*type.type, named.root(), nullptr);
  CHECK(canonical.ok(), type.kind);
  return canonical->finish();
}

}  // namespace

const Document& empty_object(const TrackedType& type) {
  // One small document a kind, made again for no write: it costs as much as the comparison itself.
  thread_local std::unordered_map<const Type*, Document> made;
  Document& known = made[type.type];
  if (!known) known = make_empty_object(type);
  return known;
}

const Kind* kind_in_version(const Kind& kind, std::string_view api_version) {
  if (api_version_of(kind) == api_version) return &kind;
  for (const Kind& k : all_kinds()) {
    if (k.resource == kind.resource && api_version_of(k) == api_version && &stored_kind(k) == &stored_kind(kind)) return &k;
  }
  return nullptr;
}

namespace {

std::optional<ApplyContext::InVersion> converted(const Kind& served, const std::string& subresource, Value object, std::string_view from,
                                                 std::string_view to) {
  const Kind *shown = kind_in_version(served, from), *wanted = kind_in_version(served, to);
  if (shown == nullptr || wanted == nullptr) return std::nullopt;
  ApplyContext::InVersion out;
  out.object = shown_form(*wanted, stored_form(*shown, Document::of(object)));
  out.shape = MergeShape(*wanted->type);
  out.filter = reset_fields(*wanted, subresource);
  return out;
}

}  // namespace

ApplyContext apply_context(const TrackedType& type) {
  ApplyContext context;
  if (type.served != nullptr) {
    const Kind* served = type.served;
    context.convert = [served, subresource = type.subresource](Value object, std::string_view from, std::string_view to) {
      return converted(*served, subresource, object, from, to);
    };
  }
  context.version = type.api_version();
  context.shape = MergeShape(*type.type);
  context.filter = type.filter;
  return context;
}

std::string owner_of(const TrackedType& type, const FieldWriter& writer, bool applies) {
  return OwnerName{writer.manager.empty() ? "unknown" : writer.manager, applies, type.api_version(), writer.subresource}.id();
}

void strip_system_fields(Owners& owners, std::string_view id) {
  auto at = owners.find(id);
  if (at == owners.end()) return;
  at->second.set = subtract(std::move(at->second.set), kept_by_the_system());
  if (at->second.set.empty()) owners.erase(at);
}

Status give_changes(const TrackedType& type, const FieldWriter& writer, Value live, Value next, ManagedFields& managed) {
  if (managed.owners.empty()) {
    TRY_ASSIGN(FieldSet all, own_by_creation(apply_context(type), live, next));
    managed.owners[std::string(kSelf)] = OwnedFields{std::move(all), type.api_version(), false};
  } else {
    TRY(own_by_update(apply_context(type), live, next, kSelf, managed.owners));
  }
  strip_system_fields(managed.owners, kSelf);
  auto self = managed.owners.find(kSelf);
  if (self != managed.owners.end()) {
    const std::string id = owner_of(type, writer, false);
    OwnedFields taken = std::move(self->second);
    managed.owners.erase(self);
    OwnedFields& owned = managed.owners[id];
    owned.set = unite(std::move(taken.set), std::move(owned.set));
    owned.version = taken.version;
    managed.times[id] = writer.now;
  }
  cap_updates(managed);
  return ok();
}

void track_update(const TrackedType& type, const FieldWriter& writer, Value live, const Document& next, Mut object) {
  const bool creates = meta(live, "uid").empty();
  ManagedFields managed = fields_before(writer, live, next.root());
  if (!managed.owners.empty() || creates) {
    // What cannot be compared is owned by nobody any more, as upstream has it.
    Status given = give_changes(type, writer, live ? live : empty_object(type).root(), next.root(), managed);
    if (!given.ok()) managed = {};
  }
  managed.write(object.object("metadata"));
  if (next.bytes()->find(":[]") != std::string::npos) forget_empty_lists(*type.type, object);
}

bool same_managed_fields(Value a, Value b) {
  if (a.size() != b.size()) return false;
  auto other = b.items().begin();
  for (Value entry : a.items()) {
    for (const char* key : {"manager", "operation", "apiVersion", "fieldsType", "fieldsV1", "subresource"}) {
      if (!equal(entry[key], (*other)[key])) return false;
    }
    ++other;
  }
  return true;
}

}  // namespace bramble

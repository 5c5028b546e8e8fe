// Strategic merge patch: objects merge, lists with a patch strategy of merge go by their merge key (objects) or are sets
// (scalars), all else is replaced; directives begin with "$". Order of a merged list: items of the patch in the patch's
// order (or that of $setElementOrder), items only the server has in the server's order, interleaved where the server knows
// both. Kubernetes, "Strategic Merge Patch", and its design note "preserve order in strategic merge patch".
#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/base/strings.h"
#include "core/json/go_print.h"
#include "core/json/patch.h"
#include "core/schema/engine.h"

namespace bramble {

namespace {

constexpr std::string_view kDirective = "$patch", kRetainKeys = "$retainKeys";
constexpr std::string_view kElementOrder = "$setElementOrder", kDeleteFromList = "$deleteFromPrimitiveList";

Error bad_patch(std::string_view text) { return Error(Code::kInvalidArgument, std::string(text)); }
Error failed(std::string text) { return Error(Code::kInternal, std::move(text)); }

constexpr std::string_view kBadRetainKeys = "invalid patch format of retainKeys";
constexpr std::string_view kBadOrder = "invalid patch format of setElementOrder list";
constexpr std::string_view kBadDeletion = "invalid patch format of primitive list";

Error wrong_argument(Value found) { return failed(cat("expected a []interface {}, but received a ", go_type_name(found))); }
Error no_merge_key(Value item, std::string_view key) {
  return failed(cat("map: ", go_print(item), " does not contain declared merge key: ", key));
}

// What the schema says of the values below a point: a type's fields, or a map whose values are of a type, or nothing.
struct Place {
  const Type* type = nullptr;       // an object with these fields
  const Field* map_field = nullptr;  // a map of this field's elements

  const Field* field(std::string_view name) const { return type ? type->field(name) : nullptr; }
  Place below(std::string_view name) const {
    if (map_field) return map_field->kind() == FieldKind::kMessage ? Place{map_field->type(), nullptr} : Place{};
    const Field* f = field(name);
    if (!f) return {};
    if (f->container() == Container::kMap) return {nullptr, f};
    return f->container() == Container::kOne && f->kind() == FieldKind::kMessage ? Place{f->type(), nullptr} : Place{};
  }
};

enum class Shape { kNone, kObject, kList, kString, kBool, kInteger, kFloat };

template <class V>
Shape shape_of(V v) {
  if (v.is_object()) return Shape::kObject;
  if (v.is_array()) return Shape::kList;
  if (v.is_string()) return Shape::kString;
  if (v.is_bool()) return Shape::kBool;
  if (v.is_number()) return v.is_integer() ? Shape::kInteger : Shape::kFloat;
  return Shape::kNone;
}

// A new value without what is only a directive: objects with $patch go altogether, members of null too.
void drop_directives(Mut v) {
  if (v.is_object()) {
    std::unordered_set<std::string_view> gone;
    for (auto [key, member] : v.members()) {
      if (member.is_null() || member.has(kDirective) || key.starts_with(kElementOrder) || key.starts_with(kDeleteFromList) ||
          key == kRetainKeys) {
        gone.insert(key);
      } else {
        drop_directives(member);
      }
    }
    v.remove_keys(gone);
  } else if (v.is_array()) {
    size_t index = 0;
    for (Mut item : v.items()) {
      if (item.has(kDirective)) {
        v.remove_item(index);
      } else {
        drop_directives(item);
        index++;
      }
    }
  }
}

// An object's members by name, so that a patch of many members costs one walk. Members are added, replaced in place, or
// marked to go; remove_marked() ends it.
class Members {
 public:
  explicit Members(Mut object) : object_(object) {
    for (auto [key, value] : object.members()) at_.emplace(key, value);
  }
  Mut operator[](std::string_view key) const {
    auto it = at_.find(key);
    return it == at_.end() ? Mut() : it->second;
  }
  // The value as it is new to the object: without directives.
  void take_over(std::string_view key, Value v) {
    if (v.has(kDirective)) return;
    place(key, v);
    drop_directives(at_[key]);
  }
  void put_list(std::string_view key, const std::vector<Mut>& items) {
    Builder list;
    list.set_root_array();
    for (Mut item : items) list.root().append(item);
    object_.set(key, list.root());
    at_[key] = object_[key];
    removed_.erase(key);
  }
  void remove(std::string_view key) {
    if (at_.erase(key) > 0) removed_.insert(key);
  }
  void remove_marked() { object_.remove_keys(removed_); }

 private:
  void place(std::string_view key, Value v) {
    if (Mut old = (*this)[key]) {
      old.assign(v);
    } else if (removed_.count(key)) {
      removed_.erase(key);
      object_.set(key, v);
      at_[key] = object_[key];
    } else {
      at_[key] = object_.add_copy(key, v);
    }
  }

  Mut object_;
  std::unordered_map<std::string_view, Mut> at_;
  std::unordered_set<std::string_view> removed_;
};

using Items = std::vector<Mut>;

// What names an item within its list: the merge key's value, or the scalar itself.
Mut identity(Mut item, std::string_view merge_key) { return merge_key.empty() ? item : item[merge_key]; }

// Where each item of a list stands, by its identity. Built once per list, so that merging stays below quadratic.
class Positions {
 public:
  Positions(const Items& list, std::string_view merge_key) : merge_key_(merge_key) {
    for (size_t i = 0; i < list.size(); i++) {
      if (Mut id = identity(list[i], merge_key)) at_.emplace(id.dump(), i);
    }
  }
  size_t find(Mut item) const {
    Mut id = identity(item, merge_key_);
    auto it = id ? at_.find(id.dump()) : at_.end();
    return it == at_.end() ? SIZE_MAX : it->second;
  }
  // Adds an item; false when its identity stands already.
  bool add(Mut item, size_t index) {
    Mut id = identity(item, merge_key_);
    return id && at_.emplace(id.dump(), index).second;
  }

 private:
  std::string_view merge_key_;
  std::unordered_map<std::string, size_t> at_;
};

Items sorted_by(const Items& items, const Positions& order) {
  std::vector<std::pair<size_t, Mut>> ranked;
  for (Mut item : items) ranked.emplace_back(order.find(item), item);
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  Items out;
  for (const auto& [rank, item] : ranked) out.push_back(item);
  return out;
}

// Items that `by` names in its order, the rest in the server's, woven together as the server's order has it.
Items in_order(const Items& merged, const Items& by, const Items& server_order, std::string_view merge_key) {
  const Positions wanted(by, merge_key), server(server_order, merge_key);
  Items named, others, out;
  for (Mut item : merged) (wanted.find(item) == SIZE_MAX ? others : named).push_back(item);
  named = sorted_by(named, wanted);
  others = sorted_by(others, server);
  size_t i = 0, j = 0;
  while (i < others.size() || j < named.size()) {
    bool take_other = j == named.size();
    if (i < others.size() && j < named.size()) {
      size_t a = server.find(others[i]), b = server.find(named[j]);
      take_other = a != SIZE_MAX && b != SIZE_MAX && a < b;
    }
    out.push_back(take_other ? others[i++] : named[j++]);
  }
  return out;
}

class Merger {
 public:
  Merger() { scratch_.set_root_array(); }
  Status objects(Mut original, Value patch, Place place) {
    if (Value directive = patch[kDirective]) return whole_object(original, patch, directive);
    TRY(retain_keys(original, patch));
    std::set<std::string_view> done;
    Members members(original);
    for (auto [key, value] : patch.members()) {
      if (key.starts_with(kElementOrder)) TRY(ordered_list(members, patch, key, value, place, &done));
    }
    for (auto [key, value] : patch.members()) {
      if (key == kRetainKeys || key.starts_with(kElementOrder) || done.count(key)) continue;
      TRY(member(members, key, value, place));
    }
    members.remove_marked();
    return ok();
  }

 private:
  Status whole_object(Mut original, Value patch, Value directive) {
    if (directive.str() == "delete") {
      original.clear();
      return ok();
    }
    if (directive.str() != "replace") {
      return failed(cat("unknown patch type: ", go_print(directive), " in map: ", go_print(patch)));
    }
    original.clear();
    Members members(original);
    for (auto [key, value] : patch.members()) {
      if (key != kDirective && !value.is_null()) members.take_over(key, value);
    }
    return ok();
  }

  Status retain_keys(Mut original, Value patch) {
    Value list = patch[kRetainKeys];
    if (!list) return ok();
    if (!list.is_array()) return bad_patch(kBadRetainKeys);
    std::set<std::string_view> kept;
    for (Value v : list.items()) kept.insert(v.str());
    for (auto [key, value] : patch.members()) {
      if (value.is_null() || key == kRetainKeys || key.starts_with(kDeleteFromList) || key.starts_with(kElementOrder)) continue;
      if (!kept.count(key)) return bad_patch(kBadRetainKeys);
    }
    std::unordered_set<std::string_view> gone;
    for (auto [key, value] : original.members()) {
      if (!kept.count(key)) gone.insert(key);
    }
    original.remove_keys(gone);
    return ok();
  }

  // "$setElementOrder/containers" with the list "containers" beside it, which may be missing.
  Status ordered_list(Members& original, Value patch, std::string_view directive, Value order, Place place,
                      std::set<std::string_view>* done) {
    auto parts = cut(directive, "/");
    if (!parts || parts->first != kElementOrder) return bad_patch(kBadOrder);
    std::string_view key = parts->second;
    if (!order.is_array()) return wrong_argument(order);
    Mut old = original[key];
    Value list = patch[key];
    if (old && !old.is_null() && !old.is_array()) return wrong_argument(Document::parse(old.dump()).value().root());
    if (list && !list.is_array()) return wrong_argument(list);
    const Field* f = place.field(key);
    if (!f && place.type) {
      return failed(cat("unable to find api field in struct ", place.type->short_name(), " for the json field ", go_quote(key)));
    }
    std::string_view merge_key = f ? f->merge_key() : std::string_view();
    done->insert(key);
    TRY(check_order(list, order, merge_key));
    const Items by = copies(order), before = old.items();
    Items merged;
    if (list && old.is_array()) {
      TRY_ASSIGN(merged, lists(before, list, f, false));
    } else if (list) {
      merged = copy(list, true).items();
    } else if (old.is_array()) {
      merged = before;
    } else {
      return ok();
    }
    if (!merge_key.empty()) {
      for (Mut item : merged) {
        if (!item.has(merge_key)) return no_merge_key(Document::parse(item.dump()).value().root(), merge_key);
      }
    }
    original.put_list(key, in_order(merged, by, before, merge_key));
    return ok();
  }

  // Items of the patch (but for deletions) must stand in the order that the directive gives.
  static Status check_order(Value list, Value order, std::string_view merge_key) {
    if (list.size() == 0 || order.size() == 0) return ok();
    auto id = [&](Value v) { return merge_key.empty() ? v : v[merge_key]; };
    size_t at = 0;
    for (Value item : list.items()) {
      if (item.has(kDirective)) continue;
      if (!merge_key.empty() && !id(item)) return no_merge_key(item, merge_key);
      bool found = false;
      while (at < order.size() && !found) {
        Value next = id(order.item(at++));
        if (!next) return no_merge_key(order.item(at - 1), merge_key);
        found = equal(next, id(item));
      }
      if (!found) {
        return failed(cat("The order in patch list:\n", go_print(list), "\n doesn't match ", kElementOrder, " list:\n", go_print(order), "\n"));
      }
    }
    return ok();
  }

  Status member(Members& original, std::string_view key, Value value, Place place) {
    const bool deletion = key.starts_with(kDeleteFromList);
    if (deletion) {
      auto parts = cut(key, "/");
      if (!parts || parts->first != kDeleteFromList) return bad_patch(kBadDeletion);
      key = parts->second;
    }
    if (value.is_null()) {
      original.remove(key);
      return ok();
    }
    Mut old = original[key];
    if (!old || shape_of(old) != shape_of(value)) {
      if (!deletion) original.take_over(key, value);
      return ok();
    }
    const Field* f = place.field(key);
    if (old.is_object() && !(f && f->patch_replace())) return objects(old, value, place.below(key));
    if (old.is_array() && f && f->patch_merge()) {
      TRY_ASSIGN(Items merged, lists(old.items(), value, f, deletion));
      original.put_list(key, merged);
      return ok();
    }
    if (!deletion) original.take_over(key, value);
    return ok();
  }

  Result<Items> lists(Items original, Value patch, const Field* f, bool deletion) {
    if (!f || !f->patch_merge()) return copies(patch);
    Shape shape = Shape::kNone;
    TRY(one_shape(original, patch, &shape));
    if (shape != Shape::kObject) return scalars(original, patch, deletion);
    if (f->merge_key().empty()) return failed("cannot merge lists without merge key for type struct");
    return keyed(std::move(original), patch, *f);
  }

  Items scalars(const Items& original, Value patch, bool deletion) {
    const Items by = copies(patch);
    Items merged;
    Positions seen(deletion ? by : Items(), "");
    for (Mut item : original) {
      if (seen.add(item, merged.size())) merged.push_back(item);
    }
    if (deletion) return merged;
    for (Mut item : by) {
      if (seen.add(item, merged.size())) merged.push_back(item);
    }
    return in_order(merged, by, original, "");
  }

  Result<Items> keyed(Items original, Value patch, const Field& f) {
    const std::string_view merge_key = f.merge_key();
    bool replace = false;
    std::vector<Value> plain;
    std::unordered_set<std::string> deleted;
    for (Value item : patch.items()) {
      Value directive = item[kDirective];
      if (!directive) {
        plain.push_back(item);
      } else if (directive.str() == "delete") {
        if (!item.has(merge_key)) return no_merge_key(item, merge_key);
        deleted.insert(item[merge_key].dump());
      } else if (directive.str() == "replace") {
        replace = true;
      } else if (directive.str() == "merge") {
        return failed("merging lists cannot yet be specified in the patch");
      } else {
        return failed(cat("unknown patch type: ", go_print(directive), " in map: ", go_print(item)));
      }
    }
    if (replace) {
      Items out;
      for (Value item : plain) out.push_back(copy(item, true));
      return out;
    }
    if (!deleted.empty()) {
      std::erase_if(original, [&](Mut m) { return m.has(merge_key) && deleted.count(m[merge_key].dump()) > 0; });
    }
    const Items before = original;
    Positions found(original, merge_key);
    Items by;
    for (Value item : plain) {
      if (!item.has(merge_key)) return no_merge_key(item, merge_key);
      by.push_back(copy(item, true));
      size_t at = found.find(by.back());
      if (at == SIZE_MAX) {
        found.add(by.back(), original.size());
        original.push_back(by.back());
      } else {
        TRY(objects(original[at], item, Place{f.kind() == FieldKind::kMessage ? f.type() : nullptr, nullptr}));
      }
    }
    return in_order(original, by, before, merge_key);
  }

  static Status one_shape(const Items& original, Value patch, Shape* shape) {
    auto check = [&](Shape s) -> Status {
      if (s == Shape::kList) return Error(Code::kInvalidObject, "lists of lists are not supported");
      if (*shape != Shape::kNone && s != *shape) return failed("list element types are not identical");
      *shape = s;
      return ok();
    };
    for (Mut item : original) TRY(check(shape_of(item)));
    for (Value item : patch.items()) TRY(check(shape_of(item)));
    return ok();
  }

  Mut copy(Value v, bool without_directives) {
    Mut node = scratch_.root().append_copy(v);
    if (without_directives) drop_directives(node);
    return node;
  }
  Items copies(Value list) {
    Items out;
    for (Value v : list.items()) out.push_back(copy(v, false));
    return out;
  }

  Builder scratch_;  // owns the copies that Items point to
};

}  // namespace

Result<Builder> strategic_merge(const Type* type, Value original, Value patch) {
  if (!patch.is_object()) {
    return bad_patch(cat("json: cannot unmarshal ", patch.type_name(), " into Go value of type map[string]interface {}"));
  }
  if (type == nullptr) return merge_patch(original, patch);
  Builder out(original.is_object() ? original : Value());
  Merger merger;
  TRY(merger.objects(out.root(), patch, Place{type, nullptr}));
  return out;
}

}  // namespace bramble

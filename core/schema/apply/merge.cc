// merge_values, remove_fields: values made of others.
#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "core/base/strings.h"
#include "core/schema/apply/pairs.h"
#include "core/schema/apply/typed.h"

namespace bramble {

namespace {

// Where a value goes: a member of an object, or the end of a list. What was put there can be taken back.
class Place {
 public:
  Place(Mut object, std::string_view key) : to_(object), key_(key), member_(true) {}
  explicit Place(Mut list) : to_(list), member_(false) {}
  void put(Value v) {
    if (member_) to_.add(key_, v);
    else to_.append(v);
  }
  void put_null() {
    if (member_) to_.add_null(key_);
    else to_.append_null();
  }
  Mut put_object() { return member_ ? to_.add_object(key_) : to_.append_object(); }
  Mut put_array() { return member_ ? to_.add_array(key_) : to_.append_array(); }
  void take_back() {
    if (member_) to_.remove(key_);
    else to_.remove_item(to_.size() - 1);
  }

 private:
  Mut to_;
  std::string_view key_;
  bool member_;
};

Error within(std::string_view element, const Error& error) {
  const std::string& text = error.message();
  const bool path = !text.empty() && (text[0] == '.' || text[0] == '[');
  return Error(error.code(), cat(element_text(element), path ? "" : ": ", text));
}

class Merger {
 public:
  // Writes what the two make of this place; nothing when they make nothing.
  Status place(const MergeShape& shape, Value base, Value over, Place to) {
    const unsigned sort = shape.sort_of(over ? over : base);
    if (sort & MergeShape::kMap) {
      Value a = base.is_object() ? base : Value(), b = over.is_object() ? over : Value();
      if (shape.map_atomic() || (a.size() == 0 && b.size() == 0)) return leaf(base, over, to);
      return members(shape, a, b, to);
    }
    if (sort & MergeShape::kScalar) return leaf(base, over, to);
    Value a = base.is_array() ? base : Value(), b = over.is_array() ? over : Value();
    if (shape.list_atomic() || (a.size() == 0 && b.size() == 0)) return leaf(base, over, to);
    return items(shape, a, b, to);
  }

 private:
  static Status leaf(Value base, Value over, Place to) {
    to.put(over ? over : base);
    return ok();
  }

  Status members(const MergeShape& shape, Value base, Value over, Place to) {
    Mut object = to.put_object();
    Status first = ok();
    each_member_pair(base, over, [&](std::string_view key, Value a, Value b) {
      Status done = place(shape.member(key), a, b, Place(object, key));
      if (first.ok() && !done.ok()) first = within(member_element(key), done.error());
    });
    if (object.size() == 0) to.take_back();
    return first;
  }

  // The items of a list in order, with their keys.
  struct Side {
    std::vector<Value> items;
    std::vector<std::string> keys;
    std::unordered_map<std::string_view, size_t> index;  // of keys; kMany: stands more than once, and is not merged
    static constexpr size_t kMany = SIZE_MAX;
    bool has(const std::string& key) const { return index.find(key) != index.end(); }
    Value get(const std::string& key) const {
      auto at = index.find(key);
      return at == index.end() || at->second == kMany ? Value() : items[at->second];
    }
  };

  static Status read(const MergeShape& shape, Value list, bool duplicates_fit, Side& side) {
    for (Value item : list.items()) {
      auto key = shape.item_element(item);
      if (!key.ok()) return Error(Code::kInvalidArgument, cat("element ", side.items.size(), ": ", key.error().message()));
      side.items.push_back(item);
      side.keys.push_back(std::move(*key));
    }
    for (size_t i = 0; i < side.keys.size(); i++) {
      auto [at, fresh] = side.index.try_emplace(side.keys[i], i);
      if (fresh) continue;
      if (!duplicates_fit) return Error(Code::kInvalidArgument, cat("duplicate entries for key ", element_text(side.keys[i])));
      at->second = Side::kMany;
    }
    return ok();
  }

  Status items(const MergeShape& shape, Value base_list, Value over_list, Place to) {
    Side base, over;
    TRY(read(shape, over_list, false, over));
    TRY(read(shape, base_list, true, base));
    Mut list = to.put_array();
    const MergeShape inner = shape.items();
    auto put = [&](Value a, Value b) { return place(inner, a, b, Place(list)); };
    // The keys of over that base has too, in over's order: where base's order differs, over's is kept.
    std::vector<const std::string*> shared;
    for (const std::string& key : over.keys) {
      if (base.has(key)) shared.push_back(&key);
    }
    size_t next_shared = 0;
    auto awaited = [&](const std::string& key) { return next_shared >= shared.size() || *shared[next_shared] == key; };
    std::unordered_set<std::string_view> merged;
    size_t i = 0, j = 0;
    while (i < base.keys.size() || j < over.keys.size()) {
      if (i < base.keys.size() && j < over.keys.size()) {
        const std::string& key = base.keys[i];
        if (key == over.keys[j]) {
          merged.insert(key);
          TRY(put(base.get(key), over.get(key)));
          i++;
          j++;
          next_shared++;
          continue;
        }
        if (over.has(key) && !awaited(key)) {
          i++;  // shared, but its turn comes later
          continue;
        }
      }
      if (i < base.keys.size()) {
        const std::string& key = base.keys[i];
        if (!over.has(key)) {
          TRY(put(base.items[i], Value()));
          i++;
          continue;
        }
        if (merged.count(key) != 0) i++;
      }
      if (j < over.keys.size()) {
        const std::string& key = over.keys[j];
        merged.insert(key);
        TRY(put(base.get(key), over.get(key)));
        j++;
        if (next_shared < shared.size() && *shared[next_shared] == key) next_shared++;
      }
    }
    if (list.size() == 0) to.take_back();
    return ok();
  }
};

// Writes what is left of the place; null when nothing is.
void keep_rest(const MergeShape& shape, Value v, const FieldSet& fields, Place to);

void keep_members(const MergeShape& shape, Value v, const FieldSet& fields, Place to) {
  Mut object = to.put_object();
  for (auto [key, value] : v.members()) {
    const FieldSet::Node* node = fields.find(member_element(key));
    if (node != nullptr && node->member) continue;
    if (node == nullptr || node->below.empty()) object.add(key, value);
    else keep_rest(shape.member(key), value, node->below, Place(object, key));
  }
  if (object.size() > 0) return;
  to.take_back();
  to.put_null();
}

void keep_items(const MergeShape& shape, Value v, const FieldSet& fields, Place to) {
  Mut list = to.put_array();
  const MergeShape inner = shape.items();
  for (Value item : v.items()) {
    auto element = shape.item_element(item);
    const FieldSet::Node* node = element.ok() ? fields.find(*element) : nullptr;
    if (node != nullptr && node->member) continue;
    if (node == nullptr || node->below.empty()) list.append(item);
    else keep_rest(inner, item, node->below, Place(list));
  }
  if (list.size() > 0) return;
  to.take_back();
  to.put_null();
}

void keep_rest(const MergeShape& shape, Value v, const FieldSet& fields, Place to) {
  const unsigned sort = shape.sort_of(v);
  if (sort & MergeShape::kMap) {
    if (v.size() == 0 || !v.is_object() || shape.map_atomic()) return to.put_null();
    return keep_members(shape, v, fields, to);
  }
  if (sort & MergeShape::kScalar) return v ? to.put(v) : to.put_null();
  if (v.size() == 0 || !v.is_array() || shape.list_atomic()) return to.put_null();
  keep_items(shape, v, fields, to);
}

constexpr std::string_view kRoot = "object";  // a Builder's root is an object: the value stands within

}  // namespace

Result<Document> merge_values(const MergeShape& shape, Value base, Value over) {
  Builder out;
  TRY(Merger().place(shape, base, over, Place(out.root(), kRoot)));
  out.set_root(out.root()[kRoot]);
  return out.finish();
}

Document remove_fields(const MergeShape& shape, Value value, const FieldSet& fields) {
  Builder out;
  keep_rest(shape, value, fields, Place(out.root(), kRoot));
  Mut rest = out.root()[kRoot];
  if (rest.is_null()) return {};
  out.set_root(rest);
  return out.finish();
}

}  // namespace bramble

#include <unordered_map>

#include "core/json/patch.h"

namespace bramble {

namespace {

void copy_items(Value from, Mut to);

// Members without those of null, inside of lists too (but items of null stay): what upstream's library takes over.
void copy_members(Value from, Mut to) {
  for (auto [key, value] : from.members()) {
    if (value.is_null()) continue;
    if (value.is_object()) copy_members(value, to.add_object(key));
    else if (value.is_array()) copy_items(value, to.add_array(key));
    else to.add(key, value);
  }
}

void copy_items(Value from, Mut to) {
  for (Value item : from.items()) {
    if (item.is_object()) copy_members(item, to.append_object());
    else if (item.is_array()) copy_items(item, to.append_array());
    else to.append(item);
  }
}

void put(Mut to, std::string_view key, Value value) {
  if (value.is_object()) copy_members(value, to.add_object(key));
  else if (value.is_array()) copy_items(value, to.add_array(key));
  else if (!value.is_null()) to.add(key, value);
}

// Linear in both: a map of a hundred thousand entries is within the limits of a body.
void merge(Value original, Value patch, Mut out) {
  std::unordered_map<std::string_view, Value> changes;
  for (auto [key, value] : patch.members()) changes[key] = value;
  for (auto [key, old] : original.members()) {
    auto change = changes.find(key);
    if (change == changes.end()) {
      out.add(key, old);
      continue;
    }
    Value value = change->second;
    if (!value) continue;  // a second member of that name
    if (value.is_object() && old.is_object()) merge(old, value, out.add_object(key));
    else put(out, key, value);
    change->second = Value();  // done
  }
  for (auto [key, value] : patch.members()) {
    Value& change = changes[key];
    if (change) put(out, key, change);
    change = Value();
  }
}

}  // namespace

Builder merge_patch(Value original, Value patch) {
  Builder out;
  if (patch.is_array()) {
    out.set_root_array();
    copy_items(patch, out.root());
  } else if (!patch.is_object()) {
    out.set_root(patch);
  } else {
    merge(original, patch, out.root());
  }
  return out;
}

}  // namespace bramble

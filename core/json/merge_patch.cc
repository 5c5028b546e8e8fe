#include "core/json/patch.h"

namespace bramble {

namespace {

// Removes members of null inside a value that is taken over whole, inside of lists too (but not items of null).
void prune_nulls(Mut v) {
  if (v.is_object()) {
    for (auto [key, member] : v.members()) {
      if (member.is_null()) v.remove(key);
      else prune_nulls(member);
    }
  } else if (v.is_array()) {
    for (Mut item : v.items()) prune_nulls(item);
  }
}

void merge(Mut target, Value patch) {
  for (auto [key, value] : patch.members()) {
    if (value.is_null()) {
      target.remove(key);
    } else if (Mut old = target[key]; value.is_object() && old.is_object()) {
      merge(old, value);
    } else {
      target.set(key, value);
      prune_nulls(target[key]);
    }
  }
}

}  // namespace

Builder merge_patch(Value original, Value patch) {
  if (!patch.is_object() || !original.is_object()) {
    Builder out(patch);
    prune_nulls(out.root());
    return out;
  }
  Builder out(original);
  merge(out.root(), patch);
  return out;
}

}  // namespace bramble

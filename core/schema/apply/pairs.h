// The members of two objects side by side, by key. Canonical objects have their members in one order, so most pairs are
// found where they are expected; long objects in another order cost a sort. Internal to core/schema/apply.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "core/json/value.h"

namespace bramble {

namespace pairs_detail {

inline std::vector<Value::Member> sorted(Value object) {
  std::vector<Value::Member> out;
  out.reserve(object.size());
  for (Value::Member m : object.members()) out.push_back(m);
  auto less = [](const Value::Member& a, const Value::Member& b) { return a.key < b.key; };
  if (!std::is_sorted(out.begin(), out.end(), less)) std::stable_sort(out.begin(), out.end(), less);
  // Of a key that stands twice the first counts, as operator[] has it.
  out.erase(std::unique(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.key == b.key; }), out.end());
  return out;
}

}  // namespace pairs_detail

// fn(key, left, right); a side without the key is absent. In order of keys when either side is long, else as they stand.
template <class Fn>
void each_member_pair(Value left, Value right, Fn fn) {
  constexpr size_t kShort = 12;  // a search is a walk: below this it is cheaper than sorting
  if (left.size() <= kShort && right.size() <= kShort) {
    for (auto [key, value] : left.members()) fn(key, value, right[key]);
    for (auto [key, value] : right.members()) {
      if (!left[key]) fn(key, Value(), value);
    }
    return;
  }
  const std::vector<Value::Member> a = pairs_detail::sorted(left), b = pairs_detail::sorted(right);
  for (size_t i = 0, j = 0; i < a.size() || j < b.size();) {
    const bool take_a = j == b.size() || (i < a.size() && a[i].key <= b[j].key);
    const bool take_b = i == a.size() || (j < b.size() && b[j].key <= a[i].key);
    fn(take_a ? a[i].key : b[j].key, take_a ? a[i].value : Value(), take_b ? b[j].value : Value());
    i += take_a;
    j += take_b;
  }
}

}  // namespace bramble

// The members of two objects side by side, by key. Canonical objects have their members in one order, so most pairs are
// found where they are expected; the rest of long objects costs a sort. Internal to core/schema/apply.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "core/json/value.h"

namespace bramble {

namespace pairs_detail {

// The members after the first `skip`, by key. Of a key that stands twice the first counts, as operator[] has it.
inline std::vector<Value::Member> sorted(Value object, size_t skip) {
  std::vector<Value::Member> out;
  out.reserve(object.size());
  for (Value::Member m : object.members()) {
    if (skip > 0) skip--;
    else out.push_back(m);
  }
  auto less = [](const Value::Member& a, const Value::Member& b) { return a.key < b.key; };
  if (!std::is_sorted(out.begin(), out.end(), less)) std::stable_sort(out.begin(), out.end(), less);
  out.erase(std::unique(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.key == b.key; }), out.end());
  return out;
}

}  // namespace pairs_detail

// fn(key, left, right); a side without the key is absent. In the order of the objects, of keys where long ones differ.
template <class Fn>
void each_member_pair(Value left, Value right, Fn fn) {
  const Value::Members l = left.members(), r = right.members();
  auto i = l.begin(), j = r.begin();
  const size_t shorter = std::min(left.size(), right.size());
  size_t same = 0;
  for (; same < shorter && (*i).key == (*j).key; same++, ++i, ++j) fn((*i).key, (*i).value, (*j).value);
  if (same == left.size() && same == right.size()) return;
  constexpr size_t kShort = 12;  // a search is a walk: below this it is cheaper than sorting
  if (left.size() - same <= kShort && right.size() - same <= kShort) {
    for (; i != l.end(); ++i) fn((*i).key, (*i).value, right[(*i).key]);
    for (; j != r.end(); ++j) {
      if (!left[(*j).key]) fn((*j).key, Value(), (*j).value);
    }
    return;
  }
  const std::vector<Value::Member> a = pairs_detail::sorted(left, same), b = pairs_detail::sorted(right, same);
  for (size_t m = 0, n = 0; m < a.size() || n < b.size();) {
    const bool take_a = n == b.size() || (m < a.size() && a[m].key <= b[n].key);
    const bool take_b = m == a.size() || (n < b.size() && b[n].key <= a[m].key);
    fn(take_a ? a[m].key : b[n].key, take_a ? a[m].value : Value(), take_b ? b[n].value : Value());
    m += take_a;
    n += take_b;
  }
}

}  // namespace bramble

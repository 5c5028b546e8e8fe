#include "core/resources/sameness.h"

#include <algorithm>

namespace bramble {

bool same_except(Value a, Value b, std::initializer_list<std::string_view> except) {
  auto skipped = [&](std::string_view key) { return std::find(except.begin(), except.end(), key) != except.end(); };
  size_t in_a = 0, in_b = 0;
  for (auto [key, value] : a.members()) {
    if (skipped(key)) continue;
    ++in_a;
    if (!equal(value, b[key])) return false;
  }
  for (auto [key, value] : b.members()) in_b += skipped(key) ? 0 : 1;
  return in_a == in_b;
}

bool same_meta(Value a, Value b) { return same_except(a["metadata"], b["metadata"], {"resourceVersion", "managedFields"}); }

bool same_but_version(Value a, Value b) { return same_except(a, b, {"metadata"}) && same_meta(a, b); }

}  // namespace bramble

#include "core/registry/durability.h"

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

bool same_but_version(Value a, Value b) {
  return same_except(a, b, {"metadata"}) && same_except(a["metadata"], b["metadata"], {"resourceVersion", "managedFields"});
}

namespace {

bool same_meta(Value a, Value b) {
  return same_except(a["metadata"], b["metadata"], {"resourceVersion", "managedFields"});
}

bool only_heartbeats(Value before, Value after) {
  if (!same_except(before, after, {"metadata", "status"}) || !same_meta(before, after)) return false;
  if (!same_except(before["status"], after["status"], {"conditions"})) return false;
  Value old_list = before["status"]["conditions"], new_list = after["status"]["conditions"];
  if (old_list.size() != new_list.size()) return false;
  for (size_t i = 0; i < old_list.size(); ++i) {
    if (!same_except(old_list.item(i), new_list.item(i), {"lastHeartbeatTime"})) return false;
  }
  return true;
}

}  // namespace

Durability durability_of(const Kind& kind, Value before, Value after) {
  if (kind.resource == "events") return Durability::kVolatile;
  if (!before) return Durability::kDurable;
  bool small = false;
  if (kind.resource == "leases") {
    small = same_meta(before, after) && same_except(before["spec"], after["spec"], {"renewTime"});
  } else if (kind.resource == "nodes") {
    small = only_heartbeats(before, after);
  }
  return small ? Durability::kVolatile : Durability::kDurable;
}

}  // namespace bramble

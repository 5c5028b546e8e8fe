#include "core/controllers/owner_index.h"

#include "core/controllers/object_writes.h"

namespace bramble {

void OwnerIndex::observe(const Change& change) {
  auto each_owner = [](const Document& object, const auto& fn) {
    for (Value ref : object["metadata"]["ownerReferences"].items()) fn(ref["uid"].str());
  };
  if (change.before) {
    ObjectId id{change.resource, key_of(change.before)};
    each_owner(change.before, [&](std::string_view uid) {
      auto it = dependents_.find(uid);
      if (it == dependents_.end()) return;
      it->second.erase(id);
      if (it->second.empty()) dependents_.erase(it);
    });
    if (!change.after || uid_of(change.after) != uid_of(change.before)) owners_.erase(std::string(uid_of(change.before)));
  }
  if (change.after) {
    ObjectId id{change.resource, key_of(change.after)};
    each_owner(change.after, [&](std::string_view uid) { dependents_[std::string(uid)].insert(id); });
    owners_.insert_or_assign(std::string(uid_of(change.after)), id);
  }
}

std::vector<ObjectId> OwnerIndex::dependents(std::string_view owner_uid) const {
  auto it = dependents_.find(owner_uid);
  if (it == dependents_.end()) return {};
  return {it->second.begin(), it->second.end()};
}

const ObjectId* OwnerIndex::find(std::string_view uid) const {
  auto it = owners_.find(uid);
  return it == owners_.end() ? nullptr : &it->second;
}

}  // namespace bramble

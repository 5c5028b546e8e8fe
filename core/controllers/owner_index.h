// OwnerIndex: who depends on whom, by uid, kept up to date from changes (never by scanning). The garbage collector's only state;
// it can be rebuilt from a snapshot at any time. One thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/client/client.h"

namespace bramble {

// An object anywhere in the cluster.
struct ObjectId {
  ResourceId resource;
  ObjectKey key;
  auto operator<=>(const ObjectId&) const = default;
};

class OwnerIndex {
 public:
  void observe(const Change& change);
  // Objects that name this uid as an owner.
  std::vector<ObjectId> dependents(std::string_view owner_uid) const;
  // The object of that uid, if it was seen and is still there.
  const ObjectId* find(std::string_view uid) const;

 private:
  std::map<std::string, std::set<ObjectId>, std::less<>> dependents_;
  std::map<std::string, ObjectId, std::less<>> owners_;  // uid -> object, of those that could own something
};

}  // namespace bramble

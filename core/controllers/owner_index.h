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
  // An object whose kind's absences prove nothing now (Snapshot::may_be_lost) was seen to be deleted: so it is not lost.
  void note_end(std::string_view uid) { ended_.emplace(uid); }
  bool saw_end(std::string_view uid) const { return ended_.contains(uid); }
  void forget_ends() { ended_.clear(); }

 private:
  std::map<std::string, std::set<ObjectId>, std::less<>> dependents_;
  std::map<std::string, ObjectId, std::less<>> owners_;  // uid -> object, of those that could own something
  std::set<std::string, std::less<>> ended_;
};

}  // namespace bramble

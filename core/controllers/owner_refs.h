// Owner references: who controls an object, and how a controller claims what its selector matches: it adopts orphans and
// releases what no longer matches. Upstream: pkg/controller ControllerRefManager. Pure.
#pragma once

#include <vector>

#include "core/client/plan.h"
#include "core/json/builder.h"
#include "core/resources/selector.h"

namespace bramble {

// The owner reference with controller=true, or absent.
Value controller_ref(Value object);
inline bool controlled_by(Value object, std::string_view owner_uid) { return controller_ref(object)["uid"].str() == owner_uid; }
inline bool being_deleted(Value object) { return object["metadata"]["deletionTimestamp"].is_string(); }

// Writes metadata.ownerReferences = [controller reference to owner].
void set_controller_ref(Mut object, Value owner);

struct Claimed {
  std::vector<Document> objects;  // what is ours once the writes are done
  std::vector<Write> writes;      // adoptions and releases
};

// candidates: the objects of the owner's namespace. An owner that is being deleted adopts nothing.
Claimed claim(Value owner, const LabelSelector& selector, const ResourceId& resource, const std::vector<Document>& candidates);

}  // namespace bramble

// What a cluster has before anybody writes to it: the system's namespaces, priority classes, roles and their bindings.
#pragma once

#include "core/client/client.h"

namespace bramble {

// Creates what is missing. Runs at each start, before the API is announced ready. Safe to repeat.
Task<Status> bootstrap_objects(Client* client);

}  // namespace bramble

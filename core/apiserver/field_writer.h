// Who a write is by, as managedFields name them: the request's fieldManager, the User-Agent's first word, or the part of this
// process. Pure.
#pragma once

#include <string>
#include <string_view>

#include "core/client/client.h"
#include "core/resources/field_error.h"

namespace bramble {

// What stands before the first '/', without unprintable characters, kFieldManagerBytesMax at most.
std::string manager_of_user_agent(std::string_view user_agent);
// The names that upstream's processes have: "kube-controller-manager", "kubelet".
std::string manager_of_part(const Identity& part);
// Refuses a fieldManager that is too long or cannot be printed.
void check_field_manager(std::string_view manager, FieldErrors& errors);

}  // namespace bramble

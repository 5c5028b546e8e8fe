// Which system calls a container may make, in the form of the OCI runtime configuration ("Linux Container Configuration",
// seccomp): the profile of RuntimeDefault, with what container engines agree on, and an administrator's own, from a file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/json/builder.h"

namespace bramble {

// Of the machine that this was built for: "amd64", "arm64", "arm".
std::string_view seccomp_machine();
// What is not named fails with EPERM. Some calls are allowed for a capability in `capabilities` ("CAP_SYS_ADMIN") only. Pure.
Document default_seccomp_profile(std::string_view machine, const std::vector<std::string>& capabilities);
// A profile in the OCI form. Errors as container engines word them, naming the file; kInvalidArgument. Blocking; any thread.
Result<Document> read_seccomp_profile(const std::string& path);

}  // namespace bramble

// Who holds a lock on a file, for an error message: "process 1234 (bramble)", or "another process" when the kernel does not say.
// Reads /proc/locks, because asking the file itself (and closing it) would drop this process's own locks on it.
#pragma once

#include <string>

namespace bramble {

std::string lock_owner(const std::string& path);

}  // namespace bramble

// A folder that somebody else may write to as well, like a volume of a pod: everything is done below its descriptor, and no link
// is followed on the way, so the other one can spoil the folder but lead nobody out of it (openat2(2), RESOLVE_BENEATH and
// RESOLVE_NO_SYMLINKS). Removing trees, which are such folders. Blocking; any thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/unique_fd.h"

namespace bramble {

// To work below (O_PATH). Its own name may not be a link.
Result<UniqueFd> open_folder(const std::string& path);
// A name or a path without links below the folder. flags as for open(2); `mode` for O_CREAT.
Result<UniqueFd> open_beneath(int folder, const std::string& path, int flags, mode_t mode = 0);
// The folder of that name, made with this mode when it is missing; for reading its names or working below it.
Result<UniqueFd> make_folder_beneath(int folder, const std::string& name, mode_t mode);
// The names in an open folder (not O_PATH), at most `max` of them.
std::vector<std::string> names_in(int folder, size_t max);

// rm -r without following links or crossing mounts; not there is fine. `shown`: the folder's name in errors.
Status remove_tree_in(int folder, const std::string& name, std::string_view shown);
Status remove_tree(const std::string& path);

}  // namespace bramble

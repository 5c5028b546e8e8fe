// Which user a container's first process is: the image's USER ("name", "uid", "name:group", ...) looked up in the image's own
// /etc/passwd and /etc/group. Reads through the root file system without following links out of it. Blocking; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/runtime/oci_spec.h"

namespace bramble {

// Contents of a file below root ("" when it is not there, or is no regular file, or is larger than kSmallFileBytesMax).
std::string read_below_root(const std::string& root, const std::string& path);

// user: the image's USER or "" for root. Errors: kInvalidArgument `unable to find user x: no matching entries in passwd file`.
// home: the user's home directory, "/" when unknown.
struct ResolvedUser {
  OciUser user;
  std::string name, home = "/";
};
Result<ResolvedUser> resolve_user(std::string_view user, std::string_view passwd, std::string_view group);

}  // namespace bramble

// Files of a projected volume, replaced all at once: the files live in "..<time>" , "..data" is a link to it that is swapped by
// rename, and each file's name in the volume is a link through "..data". A reader sees the old set or the new one.
// (Kubernetes: atomic updates of projected volumes.) Blocking; any thread; a crash leaves one set whole, and the next call
// completes the rest. Whoever may write to the volume can spoil it, but not lead the writer out of it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "core/base/result.h"

namespace bramble {

struct ProjectedFile {
  std::string bytes;
  uint32_t mode = 0644;
  std::optional<uint32_t> uid = {};  // root's, unless given
  bool operator==(const ProjectedFile&) const = default;
};
using Payload = std::map<std::string, ProjectedFile>;  // by path relative to the volume; no ".." in it

// Whether anything was written. fs_group: files and folders get this group and are readable by it.
Result<bool> write_payload(const std::string& dir, const Payload& payload, std::optional<uint32_t> fs_group, const std::string& stamp);

}  // namespace bramble

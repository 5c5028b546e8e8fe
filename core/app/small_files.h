// Small files: reading whole, writing atomically (temporary file, fsync, rename, fsync of the folder). Blocking; used at
// start and by commands, never on the owner's loop while it serves.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "core/base/files.h"
#include "core/base/result.h"

namespace bramble {

Result<std::string> read_small_file(const std::string& path);  // at most limits::kSmallFileBytesMax, else kTooLarge
// After a crash the old or the new content stands, never a mixture. An equal content with an equal mode is not written.
Status write_file_atomically(const std::string& path, std::string_view bytes, mode_t mode);
std::string quarantine_path(const std::string& run_dir);  // core/quarantine's file
Status make_directories(const std::string& path, mode_t mode);  // like mkdir -p; mode for new ones

}  // namespace bramble

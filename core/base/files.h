// Small files and folders of our own: read whole, replaced, made. In one place, so that interrupted and short calls, modes and what
// a crash leaves are the same everywhere. A mode that is asked for is the mode a file has, whatever the process's umask.
// Blocking; any thread. Folders that others may write to as well: core/base/folder.h.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <string>
#include <string_view>

#include "core/base/result.h"

namespace bramble {

constexpr size_t kNoLimit = SIZE_MAX - 1;  // for what the kernel or nobody but us writes

bool path_exists(const std::string& path);

// The whole file. kTooLarge when it has more than bytes_max (limits::kSmallFileBytesMax where none is given), else by errno
// (kNotFound).
Result<std::string> read_file(const std::string& path, size_t bytes_max);
Result<std::string> read_file(const std::string& path);
// Its first bytes; "" when it cannot be read. Waits for nobody to write into a FIFO.
std::string read_file_start(const std::string& path, size_t bytes_max);
std::string read_file_start(const std::string& path);
// What the open file has from here on, as read_file. `shown` names it in errors.
Result<std::string> read_rest(int fd, const std::string& shown, size_t bytes_max);
Result<std::string> read_rest(int fd, const std::string& shown);

// All of the bytes, or an error.
Status write_all(int fd, std::string_view bytes, const std::string& shown);
// The file has the new content or the old one at any time (by way of <path>.new). After a power cut it may be empty or gone:
// for what is made anew at each start.
Status replace_file(const std::string& path, std::string_view bytes, mode_t mode);
// The same after a power cut as well. The same content with the same mode is not written again.
Status replace_file_durably(const std::string& path, std::string_view bytes, mode_t mode);

// mkdir -p. The mode is for the folders that are made.
Status make_folders(const std::string& path, mode_t mode = 0755);
// The folder that holds path: "/a" of "/a/b", "." of "b".
std::string folder_of(const std::string& path);

}  // namespace bramble

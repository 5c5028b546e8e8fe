// A file of the store as bytes, read block by block past SQLite. Blocks.
#pragma once

#include <string>

#include "core/base/result.h"

namespace bramble {

// The whole file by way of SQLite's file system layer (vfs: its name, null for the system's); "" when it is not there. A block
// that the disk cannot read is kIo, naming its place; the log is `path`-wal.
Result<std::string> read_blocks(const std::string& path, const char* vfs);

// The same, with zeroes in place of what cannot be read: no checksum takes them for a row.
Result<std::string> read_blocks_with_holes(const std::string& path, const char* vfs);

}  // namespace bramble

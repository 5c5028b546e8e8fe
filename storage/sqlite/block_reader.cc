#include "storage/sqlite/block_reader.h"

#include <sqlite3.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "storage/sqlite/disk_failure.h"
#include "storage/sqlite/files.h"

namespace bramble {

namespace {

struct Blocks {
  std::string bytes;
  std::optional<size_t> unreadable_at;  // the first
};

Result<Blocks> read_file(const std::string& path, const char* vfs_name) {
  Blocks out;
  if (!file_exists(path)) return out;
  sqlite3_vfs* vfs = sqlite3_vfs_find(vfs_name);
  CHECK(vfs, vfs_name ? vfs_name : "");
  auto memory = std::make_unique<char[]>(static_cast<size_t>(vfs->szOsFile));
  auto* file = reinterpret_cast<sqlite3_file*>(memory.get());
  // Not opened as a database, whose name would have to carry parameters behind it, nor as a log, which asks for its database.
  int rc = vfs->xOpen(vfs, path.c_str(), file, SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_READONLY, nullptr);
  if (rc != SQLITE_OK) return disk_failure(rc, vfs->xGetLastError(vfs, 0, nullptr), DiskStage::kStarting, path, "open");
  sqlite3_int64 size = 0;
  file->pMethods->xFileSize(file, &size);
  out.bytes.assign(static_cast<size_t>(size), '\0');
  constexpr size_t kBlock = 4096;
  for (size_t at = 0; at < out.bytes.size(); at += kBlock) {
    size_t want = std::min(kBlock, out.bytes.size() - at);
    rc = file->pMethods->xRead(file, out.bytes.data() + at, static_cast<int>(want), static_cast<sqlite3_int64>(at));
    if (rc == SQLITE_OK || rc == SQLITE_IOERR_SHORT_READ) continue;
    std::fill_n(out.bytes.begin() + static_cast<ptrdiff_t>(at), want, '\0');
    if (!out.unreadable_at) out.unreadable_at = at;
  }
  file->pMethods->xClose(file);
  return out;
}

}  // namespace

Result<std::string> read_blocks(const std::string& path, const char* vfs) {
  TRY_ASSIGN(Blocks read, read_file(path, vfs));
  if (read.unreadable_at) return Error(Code::kIo, cat(path, ": the disk cannot read the block at byte ", *read.unreadable_at, "; check the disk"));
  return std::move(read.bytes);
}

Result<std::string> read_blocks_with_holes(const std::string& path, const char* vfs) {
  TRY_ASSIGN(Blocks read, read_file(path, vfs));
  return std::move(read.bytes);
}

}  // namespace bramble

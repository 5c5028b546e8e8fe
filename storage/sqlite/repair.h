// Repair and replacement of the store's file. A repair salvages every readable row of a damaged state.db into a new one,
// takes rows that cannot be read from the newest backup, sets the damaged file aside, and begins a new epoch with revisions
// far beyond any that was handed out. A restore puts a backup in the place of state.db the same way.
//
// The file must not be open in this process. Blocks; run before the server runs. A crash in the middle leaves either the old
// state or the new one: finish_replacement() completes what was decided.
#pragma once

#include <string>
#include <vector>

#include "core/base/random.h"
#include "storage/sqlite/database.h"

namespace bramble {

struct Repaired {
  StoreMeta meta;
  size_t rows = 0;
  size_t from_backup = 0;            // rows taken from the newest backup
  std::vector<std::string> damaged;  // keys known to be lost (or taken from the backup), as far as they could be read
  std::string set_aside;             // where the damaged file is now
  std::string text;                  // one line for the log and for health
};

// kInvalidArgument when the file holds nothing of a bramble store (then nothing is changed). backup: a file, or "" for none.
// What the disk cannot read counts as lost: whether it may be tried again is the caller's question. vfs: as in Database::open.
Result<Repaired> repair_store(const std::string& path, const char* vfs, const std::string& backup, Random& random, int64_t now_wall_us);

// Puts a checked copy of `backup` in the place of the store at `path` (which need not exist). The old one is set aside as
// <path>.replaced-<n>. kCorrupt when the backup itself is damaged.
Result<Repaired> restore_store(const std::string& backup, const std::string& path, Random& random, int64_t now_wall_us);

// The backups in a directory, by the names that storage/backup gives, the newest first.
std::vector<std::string> backups_newest_first(const std::string& dir);
// "" if there is none.
std::string newest_backup(const std::string& dir);

// Whether the write-ahead log holds acknowledged transactions behind a damaged one (see wal_reader.h). kIo when the disk cannot
// read it.
Result<bool> wal_damaged(const std::string& path, const char* vfs);

// Whether the disk can read every block of the file and its log; else kIo, naming the block.
Status store_readable(const std::string& path, const char* vfs);

// Before opening: completes or forgets a replacement that a crash interrupted.
Status finish_replacement(const std::string& path);

}  // namespace bramble

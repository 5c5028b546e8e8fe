// Backups of a store: names, rotation, restore. A backup is one whole SQLite file, state-r<revision, 20 digits>-<UTC time>.db;
// the newest is the one with the greatest revision, because a board without a clock has odd times.
//
// When to make one is core/app's decision. Owner thread; copying itself is the writer's work, between two groups of writes.
#pragma once

#include <string>
#include <vector>

#include "storage/sqlite/repair.h"
#include "storage/sqlite/sqlite_store.h"

namespace bramble {

struct BackupFile {
  std::string path;
  uint64_t revision = 0;
  int64_t bytes = 0;
};

// Oldest first; files with other names are not shown. An absent directory has none.
std::vector<BackupFile> list_backups(const std::string& dir);

// Makes one more backup in dir (made 0700 if missing) and then removes the oldest beyond `keep`. A copy that a crash
// interrupted is removed by the next one. Gives the new file. Nothing new since the newest backup: that one, and no copy.
Task<Result<std::string>> make_backup(SqliteStore& store, std::string dir, int keep, const Clock& clock);

// Restores `backup` as the store of a data directory, while no server runs (kUnavailable otherwise): new epoch, revisions far
// beyond, the present file set aside. Blocks.
Result<Repaired> restore_backup(const std::string& backup, const std::string& store_dir, Random& random, const Clock& clock);

}  // namespace bramble

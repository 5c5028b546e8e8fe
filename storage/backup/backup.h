// Backups of a store: names, rotation, restore. A backup is one whole SQLite file, state-r<revision, 20 digits>-<UTC time>.db;
// the newest is the one with the greatest revision, because a board without a clock has odd times.
//
// When to make one is core/app's decision. Owner thread; copying itself is the writer's work, between two groups of writes, and
// what else touches the disk is offloaded.
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
  int64_t wall_us = 0;  // when it was made, by the clock of then; 0: the name does not say
};

// Oldest first; files with other names are not shown. An absent directory has none.
std::vector<BackupFile> list_backups(const std::string& dir);

// How long a process that has just started waits before it makes a backup, when there is to be one every so often. By the time
// of day of the newest, as far as that is plausible; never at once, and at the latest after every_us of running.
int64_t first_backup_wait_us(const std::vector<BackupFile>& present, int64_t now_wall_us, int64_t every_us);

// Makes one more backup in dir (made 0700 if missing) and then removes the oldest beyond `keep`. A copy that a crash
// interrupted is removed by the next one. Gives the new file. Nothing new since the newest backup: that one, and no copy. One
// at a time. kNoSpace, before anything is written, when the copy would leave less room than itself: the store needs it more.
Task<Result<std::string>> make_backup(SqliteStore& store, std::string dir, int keep, const Clock& clock);

// Restores `backup` as the store of a data directory, while no server runs (kUnavailable otherwise): new epoch, revisions far
// beyond, the present file set aside. Blocks.
Result<Repaired> restore_backup(const std::string& backup, const std::string& store_dir, Random& random, const Clock& clock);

}  // namespace bramble

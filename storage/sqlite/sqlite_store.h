// SqliteStore: the Store on one SQLite file, <dir>/state.db. See storage/store.h for the contract and DESIGN section 4.
//
// Made, used and destroyed on the owner's thread (that of its Loop). One writer thread of its own carries out groups, lazily
// checkpoints, and copies backups between two groups. Order of use: open(), load() once, then writes, then close(). A store
// that is destroyed without close() is a store after a crash: volatile writes are lost, the next start is unclean.
//
// Files: state.db, state.db-wal; state.db.damaged-<n> and state.db.replaced-<n>, set aside by a repair or a restore;
// state.db.new, state.db.repaired, state.db.must-check and state.db.unreadable only between damage and its repair.
// Which failures end the process, without an answer to anybody: disk_failure.h.
#pragma once

#include <memory>
#include <string>

#include "core/base/limits.h"
#include "core/base/random.h"
#include "core/loop/loop.h"
#include "storage/queued_store.h"
#include "storage/sqlite/database.h"
#include "storage/sqlite/writer.h"

namespace bramble {

struct SqliteOptions {
  std::string dir;             // made (0700) if missing
  std::string backup_dir;      // where a repair looks for rows that cannot be read; empty: <dir>/backups
  const char* vfs = nullptr;   // tests of failing disks
  int64_t retry_ms = limits::kDiskRetryMs;
  std::string sign_of_use = {};  // a path that shows that a store was in `dir` before; empty: nothing does, a new one may begin
};

class SqliteStore final : public QueuedStore {
 public:
  // Errors are one line that says what and what to do: kPermissionDenied, kNoSpace (full or read-only), kUnavailable (another
  // process has it), kInvalidArgument (not ours, or of a newer format). Damage is repaired in load(); a block that the disk
  // cannot read is kIo there, until limits::kUnreadableStarts starts in a row have met it: then it counts as damage.
  // A file that is missing or empty where a store was before (sign_of_use) comes from the newest backup, as after a restore;
  // kNotFound when there is none, or when there are backups and no other sign of it: a new store never begins in silence.
  static Result<std::unique_ptr<SqliteStore>> open(SqliteOptions options, Loop& loop, const Clock& clock, Random& random);
  ~SqliteStore() override;

  Status load(std::function<void(StoredValue)> each) override;
  const Health& health() const override { return health_; }
  Task<Status> confirm_epoch() override;
  Task<Status> close() override;

  // Writes an online copy of the whole store, volatile values included, to a new file; durable when it answers ok. Writes go
  // on meanwhile. kAlreadyExists when the file is there. See storage/backup for names and rotation.
  Task<Status> copy_to(std::string path);

  std::string path() const { return options_.dir + "/state.db"; }

 private:
  SqliteStore(SqliteOptions options, Loop& loop, const Clock& clock, Random& random);
  Status open_database();
  Status read_all();
  Status read_again_or_repair(Status read);
  Status repair(const std::string& why);
  Status bring_back();
  // Starts a job of the writer and waits for it. start gets what the job calls at its end, on any thread.
  Task<Status> wait_for_writer(std::function<void(std::function<void(Status)> done)> start);
  void wake_disk() override;
  void volatile_waiting() override;
  void write_next();
  void group_done(Status status);

  SqliteOptions options_;
  Loop& loop_;
  Random& random_;
  std::unique_ptr<Database> database_;  // until the writer has it
  StoreMeta meta_;
  bool repaired_ = false;
  bool wake_posted_ = false;
  Timer flush_timer_;
  Timer probe_timer_;  // armed while writes fail
  std::shared_ptr<SqliteStore*> self_;  // null once this is gone: posted calls look here first
  std::unique_ptr<DatabaseWriter> writer_;
};

}  // namespace bramble

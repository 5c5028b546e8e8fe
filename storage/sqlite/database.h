// Database: one SQLite file of the store, and all of the SQL there is. Current rows in one table, whose row ids the caller
// chooses; one meta row. No index beside: the caller knows every key's row id.
//
// Owned by SqliteStore; used by one thread at a time (the owner's until the writer thread starts, then the writer's).
// Survives a power cut: every write() that answered ok, whole (WAL, synchronous=FULL). Errors, and which of them end the
// process here: disk_failure.h.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "storage/queued_store.h"
#include "storage/sqlite/disk_failure.h"

struct sqlite3;
struct sqlite3_stmt;
struct sqlite3_backup;

namespace bramble {

struct StoreMeta {
  std::string epoch;      // empty: no process has loaded this store yet
  uint64_t reserved = 0;  // revisions up to this one may have been handed out
  uint64_t revision = 0;  // the newest, at a clean stop
  bool clean = false;
  int64_t epoch_wall_us = 0;  // when a repair or a restore began the epoch; 0: none did, or it was confirmed
};
constexpr size_t kMetaColumns = 7;  // of the meta table, with its id and its checksum
uint64_t meta_sum(const StoreMeta& meta);

class Database {
 public:
  // Opens or creates. For another VFS than the system's (tests of failing disks) give its name.
  static Result<std::unique_ptr<Database>> open(std::string path, const char* vfs = nullptr);
  ~Database();
  Database(const Database&) = delete;
  // From now on failures are those of a store that is in use.
  void begin_serving() { stage_ = DiskStage::kServing; }

  Result<StoreMeta> read_meta();
  // All rows by id, each with its checksum verified. The first bad one ends it with kCorrupt.
  Status each_row(const std::function<void(RowChange)>& fn);
  Result<bool> has_free_pages();
  // SQLite's own check of the whole structure (some 10 ms for 10 MB): kCorrupt with what it found first.
  Status check_structure();
  // One transaction: the group's rows and, when it has one, its reservation. Durable when it answers ok.
  Status write(const Group& group);
  Status write_meta(const StoreMeta& meta);
  // Copies the log into the file when it has grown beyond kStoreWalPagesMax, or whenever `all`. A full disk is not an error
  // here (the log keeps what is not copied); the next call tries again.
  Status checkpoint(bool all);
  // Copies the whole database into a new file, some pages at each step, between which writes may happen.
  class Copy {
   public:
    ~Copy();
    Result<bool> step();  // false: done, the file is complete and durable

   private:
    friend class Database;
    std::unique_ptr<Database> to_;
    sqlite3_backup* backup_ = nullptr;
  };
  Result<std::unique_ptr<Copy>> copy_to(const std::string& path);

 private:
  Database() = default;
  Status configure();
  Status create_tables();
  Error failure(int rc, std::string_view doing);
  Status exec(const char* sql, std::string_view doing);
  Status write_rows(const Group& group);

  std::string path_;
  DiskStage stage_ = DiskStage::kStarting;
  sqlite3* db_ = nullptr;
  sqlite3_stmt* put_ = nullptr;
  sqlite3_stmt* del_ = nullptr;
  sqlite3_stmt* begin_ = nullptr;
  sqlite3_stmt* commit_ = nullptr;
  int wal_pages_ = 0;
  int next_checkpoint_pages_ = 0;
};

}  // namespace bramble

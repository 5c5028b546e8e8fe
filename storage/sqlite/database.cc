#include "storage/sqlite/database.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/limits.h"
#include "core/base/unique_fd.h"
#include "storage/sqlite/disk_failure.h"
#include "storage/sqlite/row_sum.h"

namespace bramble {

constexpr int kApplicationId = 0x62726d62;  // "brmb"
constexpr int kFormat = 1;

// Opening

Result<std::unique_ptr<Database>> Database::open(std::string path, const char* vfs) {
  std::unique_ptr<Database> d(new Database);
  d->path_ = std::move(path);
  d->next_checkpoint_pages_ = limits::kStoreWalPagesMax;
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  int rc = sqlite3_open_v2(d->path_.c_str(), &d->db_, flags, vfs);
  if (rc != SQLITE_OK) return d->failure(rc, "open");
  TRY(d->configure());
  return d;
}

static int collect_int(void* out, int, char** values, char**) {
  *static_cast<int*>(out) = values[0] ? atoi(values[0]) : 0;
  return 0;
}

Status Database::configure() {
  sqlite3_busy_timeout(db_, 0);
  if (sqlite3_db_readonly(db_, "main") == 1) return failure(SQLITE_READONLY, "open");
  // The exclusive lock comes before WAL, so that there is no shared-memory file. Checkpoints are ours: the automatic ones
  // swallow a failed fsync.
  std::string pragmas = cat(
      "PRAGMA locking_mode=EXCLUSIVE; PRAGMA page_size=4096; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;"
      "PRAGMA cell_size_check=ON; PRAGMA trusted_schema=OFF; PRAGMA cache_size=-",
      limits::kStoreCacheKiB, "; PRAGMA journal_size_limit=", 2 * 4096 * limits::kStoreWalPagesMax, ";");
  TRY(exec(pragmas.c_str(), "configure"));
  TRY(exec("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;", "switch to a write-ahead log"));
  sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);  // it would swallow a failed fsync too
  sqlite3_wal_hook(
      db_,
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<Database*>(self)->wal_pages_ = pages;
        return SQLITE_OK;
      },
      this);

  int format = 0, application = 0, tables = 0;
  TRY(exec("BEGIN IMMEDIATE", "lock"));
  int rc = sqlite3_exec(db_, "PRAGMA user_version", collect_int, &format, nullptr);
  if (rc == SQLITE_OK) rc = sqlite3_exec(db_, "PRAGMA application_id", collect_int, &application, nullptr);
  if (rc == SQLITE_OK) rc = sqlite3_exec(db_, "SELECT count(*) FROM sqlite_schema", collect_int, &tables, nullptr);
  if (rc != SQLITE_OK) return failure(rc, "read the schema");
  if (tables == 0) {
    TRY(create_tables());
  } else if (application != kApplicationId) {
    return Error(Code::kInvalidArgument, cat(path_, ": is a database of another program; move it away or give another --data-dir"));
  } else if (format != kFormat) {
    return Error(Code::kInvalidArgument, cat(path_, ": has format ", format, ", this bramble knows ", kFormat,
                                             "; use the version that wrote it or a newer one"));
  }
  rc = sqlite3_exec(db_, "COMMIT", nullptr, nullptr, nullptr);
  if (rc != SQLITE_OK) return failure(rc, "create tables");

  struct Statement {
    sqlite3_stmt** out;
    const char* sql;
  };
  const Statement statements[] = {
      {&put_, "REPLACE INTO state(id,key,revision,sum,value) VALUES(?1,?2,?3,?4,?5)"},
      {&del_, "DELETE FROM state WHERE id=?1"},
      {&begin_, "BEGIN"},
      {&commit_, "COMMIT"},
  };
  for (const auto& s : statements) {
    rc = sqlite3_prepare_v3(db_, s.sql, -1, SQLITE_PREPARE_PERSISTENT, s.out, nullptr);
    if (rc != SQLITE_OK) return failure(rc, "prepare");
  }
  return ok();
}

// The meta row is there from the first transaction on, with no epoch yet: a crash before the first load leaves a new store.
Status Database::create_tables() {
  TRY(exec(cat("PRAGMA application_id=", kApplicationId, "; PRAGMA user_version=", kFormat,
                  "; CREATE TABLE state(id INTEGER PRIMARY KEY, key TEXT NOT NULL, revision INTEGER NOT NULL,"
                  " sum INTEGER NOT NULL, value BLOB NOT NULL);"
                  "CREATE TABLE meta(id INTEGER PRIMARY KEY CHECK(id=1), epoch TEXT NOT NULL, reserved INTEGER NOT NULL,"
                  " revision INTEGER NOT NULL, clean INTEGER NOT NULL, epoch_wall_us INTEGER NOT NULL, sum INTEGER NOT NULL);")
                  .c_str(),
              "create tables"));
  return write_meta(StoreMeta{});
}

Database::~Database() {
  for (sqlite3_stmt* s : {put_, del_, begin_, commit_}) sqlite3_finalize(s);
  if (db_) sqlite3_close(db_);
}

// Errors

Error Database::failure(int rc, std::string_view doing) {
  int primary = rc & 0xff;
  CHECK(primary != SQLITE_MISUSE && primary != SQLITE_CONSTRAINT && primary != SQLITE_ERROR, path_, ": cannot ", doing, ": ",
        db_ ? sqlite3_errmsg(db_) : "");
  // SQLite keeps the errno of the last such failure, also when a later one is of another kind.
  bool has_errno = db_ && (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN);
  return disk_failure(rc, has_errno ? sqlite3_system_errno(db_) : 0, stage_, path_, doing);
}

Status Database::exec(const char* sql, std::string_view doing) {
  int rc = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (rc == SQLITE_OK) return ok();
  Error e = failure(rc, doing);
  if (!sqlite3_get_autocommit(db_)) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  return e;
}

// Reading

uint64_t meta_sum(const StoreMeta& m) {
  return row_sum(m.epoch, m.reserved, cat(m.revision, m.clean ? " clean " : " open ", m.epoch_wall_us));
}

static std::string_view text_column(sqlite3_stmt* s, int i) {
  const void* p = sqlite3_column_blob(s, i);
  return p ? std::string_view(static_cast<const char*>(p), static_cast<size_t>(sqlite3_column_bytes(s, i))) : std::string_view();
}
static uint64_t u64_column(sqlite3_stmt* s, int i) { return static_cast<uint64_t>(sqlite3_column_int64(s, i)); }

Result<StoreMeta> Database::read_meta() {
  sqlite3_stmt* s = nullptr;
  int rc = sqlite3_prepare_v2(db_, "SELECT epoch,reserved,revision,clean,epoch_wall_us,sum FROM meta WHERE id=1", -1, &s, nullptr);
  if (rc != SQLITE_OK) {
    if ((rc & 0xff) == SQLITE_ERROR) return Error(Code::kCorrupt, cat(path_, ": the meta table is missing"));
    return failure(rc, "read meta");
  }
  StoreMeta m;
  uint64_t sum = 0;
  rc = sqlite3_step(s);
  if (rc == SQLITE_ROW) {
    m = {std::string(text_column(s, 0)), u64_column(s, 1), u64_column(s, 2), sqlite3_column_int(s, 3) != 0,
         static_cast<int64_t>(u64_column(s, 4))};
    sum = u64_column(s, 5);
  }
  sqlite3_finalize(s);
  if (rc == SQLITE_DONE) return Error(Code::kCorrupt, cat(path_, ": the meta row is missing"));
  if (rc != SQLITE_ROW) return failure(rc, "read meta");
  if (sum != meta_sum(m))
    return Error(Code::kCorrupt, cat(path_, ": the meta row has a wrong checksum"));
  return m;
}

Status Database::each_row(const std::function<void(RowChange)>& fn) {
  sqlite3_stmt* s = nullptr;
  int rc = sqlite3_prepare_v2(db_, "SELECT id,key,revision,sum,value FROM state ORDER BY id", -1, &s, nullptr);
  if (rc != SQLITE_OK) {
    if ((rc & 0xff) == SQLITE_ERROR) return Error(Code::kCorrupt, cat(path_, ": the state table is missing"));
    return failure(rc, "read rows");
  }
  Status status = ok();
  uint64_t last_id = 0;
  while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
    RowChange row{u64_column(s, 0), std::string(text_column(s, 1)), u64_column(s, 2), make_buffer(std::string(text_column(s, 4)))};
    bool in_order = row.id > last_id;
    last_id = row.id;
    if (!in_order || row_sum(row.key, row.revision, *row.value) != u64_column(s, 3)) {
      status = Error(Code::kCorrupt, cat(path_, ": row ", row.id, ": wrong checksum"));
      break;
    }
    fn(std::move(row));
  }
  sqlite3_finalize(s);
  if (status.ok() && rc != SQLITE_DONE) status = failure(rc, "read rows");
  return status;
}

Result<bool> Database::has_free_pages() {
  int count = 0;
  int rc = sqlite3_exec(db_, "PRAGMA freelist_count", collect_int, &count, nullptr);
  if (rc != SQLITE_OK) return failure(rc, "read the free list");
  return count != 0;
}

Status Database::check_structure() {
  sqlite3_stmt* s = nullptr;
  int rc = sqlite3_prepare_v2(db_, "PRAGMA integrity_check(1)", -1, &s, nullptr);
  if (rc != SQLITE_OK) return failure(rc, "check");
  rc = sqlite3_step(s);
  std::string found = rc == SQLITE_ROW ? std::string(text_column(s, 0)) : std::string();
  sqlite3_finalize(s);
  if (rc != SQLITE_ROW) return failure(rc, "check");
  if (found == "ok") return ok();
  return Error(Code::kCorrupt, cat(path_, ": ", replace_all(found, "\n", ", ")));
}

// Writing

static void bind_text(sqlite3_stmt* s, int i, std::string_view v) {
  sqlite3_bind_text(s, i, v.data(), static_cast<int>(v.size()), SQLITE_STATIC);
}
static void bind_u64(sqlite3_stmt* s, int i, uint64_t v) { sqlite3_bind_int64(s, i, static_cast<sqlite3_int64>(v)); }
static int run(sqlite3_stmt* s) {
  sqlite3_step(s);
  return sqlite3_reset(s);
}

Status Database::write_rows(const Group& group) {
  for (const RowChange& row : group.rows) {
    bind_u64(row.value ? put_ : del_, 1, row.id);
    if (row.value) {
      bind_text(put_, 2, row.key);
      bind_u64(put_, 3, row.revision);
      bind_u64(put_, 4, row_sum(row.key, row.revision, *row.value));
      sqlite3_bind_blob64(put_, 5, row.value->data(), row.value->size(), SQLITE_STATIC);
    }
    int rc = run(row.value ? put_ : del_);
    if (rc != SQLITE_OK) return failure(rc, "write");
  }
  if (group.reserve) {
    TRY_ASSIGN(StoreMeta meta, read_meta());
    meta.reserved = group.reserve;
    meta.clean = false;
    TRY(write_meta(meta));
  }
  return ok();
}

Status Database::write(const Group& group) {
  int rc = run(begin_);
  if (rc != SQLITE_OK) return failure(rc, "begin");
  Status status = write_rows(group);
  if (status.ok()) {
    rc = run(commit_);
    if (rc != SQLITE_OK) status = failure(rc, "commit");
  }
  if (!sqlite3_get_autocommit(db_)) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  return status;
}

Status Database::write_meta(const StoreMeta& meta) {
  sqlite3_stmt* s = nullptr;
  int rc = sqlite3_prepare_v2(db_, "REPLACE INTO meta(id,epoch,reserved,revision,clean,epoch_wall_us,sum) VALUES(1,?1,?2,?3,?4,?5,?6)", -1, &s, nullptr);
  if (rc != SQLITE_OK) return failure(rc, "write meta");
  bind_text(s, 1, meta.epoch);
  bind_u64(s, 2, meta.reserved);
  bind_u64(s, 3, meta.revision);
  sqlite3_bind_int(s, 4, meta.clean);
  sqlite3_bind_int64(s, 5, meta.epoch_wall_us);
  bind_u64(s, 6, meta_sum(meta));
  sqlite3_step(s);
  rc = sqlite3_finalize(s);
  return rc == SQLITE_OK ? ok() : Status(failure(rc, "write meta"));
}

Status Database::checkpoint(bool all) {
  if (!all && wal_pages_ < next_checkpoint_pages_) return ok();
  int rc = sqlite3_wal_checkpoint_v2(db_, nullptr, all ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  if (rc == SQLITE_OK) {
    next_checkpoint_pages_ = limits::kStoreWalPagesMax;
    return ok();
  }
  Error e = failure(rc, "checkpoint");
  next_checkpoint_pages_ = wal_pages_ + limits::kStoreWalPagesMax;
  if (e.code() == Code::kNoSpace && !all) return ok();
  return e;
}

// Copying

Result<std::unique_ptr<Database::Copy>> Database::copy_to(const std::string& path) {
  std::unique_ptr<Copy> copy(new Copy);
  copy->to_.reset(new Database);
  Database& to = *copy->to_;
  to.path_ = path;
  to.stage_ = DiskStage::kCopying;
  // SQLite makes files that others may read, and its own beside this one with the mode of this one. The folder may be anybody's.
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid() || fchmod(file.get(), 0600) != 0) return directory_failure(errno, path, "create a copy");
  file.reset();  // before SQLite opens it: closing a file gives up the locks that the process has on it
  int rc = sqlite3_open_v2(path.c_str(), &to.db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  if (rc != SQLITE_OK) return to.failure(rc, "create a copy");
  copy->backup_ = sqlite3_backup_init(to.db_, "main", db_, "main");
  if (!copy->backup_) return to.failure(sqlite3_extended_errcode(to.db_), "begin a copy");
  return copy;
}

Result<bool> Database::Copy::step() {
  int rc = sqlite3_backup_step(backup_, limits::kBackupPagesPerStep);
  if (rc == SQLITE_OK) return true;
  sqlite3_backup* done = backup_;
  backup_ = nullptr;
  sqlite3_backup_finish(done);
  if (rc != SQLITE_DONE) return to_->failure(rc, "copy");
  to_.reset();
  return false;
}

Database::Copy::~Copy() {
  if (backup_) sqlite3_backup_finish(backup_);
}

}  // namespace bramble

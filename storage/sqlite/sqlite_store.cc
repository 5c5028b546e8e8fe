#include "storage/sqlite/sqlite_store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "storage/sqlite/disk_failure.h"
#include "storage/sqlite/files.h"
#include "storage/sqlite/repair.h"

namespace bramble {

// Damage, or what may look like it.
static bool doubtful(const Status& status) {
  return !status.ok() && (status.error().code() == Code::kCorrupt || status.error().code() == Code::kIo);
}

// A file with a byte for each start in a row that met a block which the disk could not read.
static std::string unreadable_mark(const std::string& path) { return path + ".unreadable"; }

// On a disk that takes no write the count stands still.
static int count_unreadable_start(const std::string& path) {
  int fd = ::open(unreadable_mark(path).c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return 1;
  struct stat st {};
  bool counted = write(fd, "x", 1) == 1 && fsync(fd) == 0 && fstat(fd, &st) == 0;
  ::close(fd);
  return counted ? static_cast<int>(st.st_size) : 1;
}

// Not there, or as long as a power cut may leave it.
static bool holds_nothing(const std::string& path) {
  struct stat st {};
  return stat(path.c_str(), &st) != 0 ? errno == ENOENT : st.st_size == 0;
}

SqliteStore::SqliteStore(SqliteOptions options, Loop& loop, const Clock& clock, Random& random)
    : QueuedStore(clock),
      options_(std::move(options)),
      loop_(loop),
      random_(random),
      flush_timer_([this] { flush_soon(); }),
      probe_timer_([this] { probe_disk(); }),
      self_(std::make_shared<SqliteStore*>(this)) {
  if (options_.backup_dir.empty()) options_.backup_dir = options_.dir + "/backups";
}

SqliteStore::~SqliteStore() { *self_ = nullptr; }

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(SqliteOptions options, Loop& loop, const Clock& clock, Random& random) {
  TRY(make_directory(options.dir));
  std::unique_ptr<SqliteStore> store(new SqliteStore(std::move(options), loop, clock, random));
  TRY(finish_replacement(store->path()));
  if (holds_nothing(store->path())) TRY(store->bring_back());
  Status opened = store->open_database();
  if (!opened.ok() && !doubtful(opened)) return opened.error();
  return store;
}

// --- loading

Status SqliteStore::open_database() {
  // SQLite would cut a damaged log off where it is damaged: so it is looked at before.
  TRY_ASSIGN(bool log_damaged, wal_damaged(path(), options_.vfs));
  if (log_damaged) return Error(Code::kCorrupt, cat(path(), "-wal: damaged in the middle"));
  TRY_ASSIGN(database_, Database::open(path(), options_.vfs));
  return ok();
}

Status SqliteStore::read_all() {
  forget_rows();
  if (!database_) TRY(open_database());
  if (file_exists(must_check_mark(path()))) TRY(database_->check_structure());  // damage met by writing
  TRY_ASSIGN(meta_, database_->read_meta());
  TRY(database_->each_row([this](RowChange row) { take_row(std::move(row)); }));
  // Reading the rows meets every page but the free ones: a free list that names a page in use would let a write destroy rows.
  TRY_ASSIGN(bool has_free_pages, database_->has_free_pages());
  return has_free_pages ? database_->check_structure() : ok();
}

// SQLite calls a failed read damage, and a read may fail for a moment only. So what can be read now is looked at a second time,
// and a start is refused over a block that cannot. When that happens to several starts in a row, the block is lost.
Status SqliteStore::read_again_or_repair(Status read) {
  database_.reset();
  Status readable = store_readable(path(), options_.vfs);
  bool lost = false;
  if (!readable.ok()) {
    int starts = count_unreadable_start(path());
    lost = starts >= limits::kUnreadableStarts;
    if (!lost)
      return Error(Code::kIo, cat(readable.error().message(), "; of ", limits::kUnreadableStarts, " starts in a row that cannot read it this is number ", starts,
                                  ", after the last its objects come from the newest backup"));
    read = std::move(readable);
  } else {
    log_warning("store: ", read.error().message(), "; the disk can read every block, so it is looked at again");
    read = read_all();
    if (read.ok() || read.error().code() != Code::kCorrupt) return read;
  }
  TRY(repair(read.error().message()));
  return read_all();
}

Status SqliteStore::repair(const std::string& why) {
  database_.reset();
  TRY_ASSIGN(Repaired repaired, repair_store(path(), options_.vfs, newest_backup(options_.backup_dir), random_, clock_.wall_us()));
  log_error("store: ", why, "; ", repaired.text);
  repaired_ = true;
  health_.damaged = std::move(repaired.damaged);
  health_.text = std::move(repaired.text);
  return ok();
}

// The file holds nothing. Where a store was before, it is lost and no new one begins; what the backup does not have may run on.
Status SqliteStore::bring_back() {
  std::vector<std::string> backups = backups_newest_first(options_.backup_dir);
  const std::string& sign = options_.sign_of_use;
  std::string what = cat(path(), file_exists(path()) ? " is empty" : " is missing");
  if (sign.empty()) {
    if (backups.empty()) return ok();
    return Error(Code::kNotFound, cat(what, ", and there are backups of one; bring the newest back with: bramble backup restore ", backups.front(),
                                      "; or move ", options_.backup_dir, " away to begin a new cluster"));
  }
  for (const std::string& backup : backups) {
    auto restored = restore_store(backup, path(), random_, clock_.wall_us());
    if (!restored.ok() && doubtful(restored.error())) {
      log_error("store: ", restored.error().message());
      continue;
    }
    TRY(restored);
    log_error("store: ", what, "; ", restored->text);
    repaired_ = true;
    health_.text = cat(what, "; ", restored->text);
    return ok();
  }
  return Error(Code::kNotFound, cat(what, " though ", sign, " shows that a cluster was here, and ", options_.backup_dir, " holds no ",
                                    backups.empty() ? "" : "whole ", "backup; put the file back, or move ", sign, " away to begin a new cluster"));
}

Status SqliteStore::load(std::function<void(StoredValue)> each) {
  CHECK(!writer_, "load() comes once, after open()");
  Status read = read_all();
  if (doubtful(read)) read = read_again_or_repair(std::move(read));
  TRY(read);
  if (meta_.epoch.empty()) {  // made, and never loaded before
    database_.reset();
    TRY(bring_back());
    TRY(read_all());
  }
  TRY(remove_file(must_check_mark(path())));
  TRY(remove_file(unreadable_mark(path())));

  bool fresh = meta_.epoch.empty();
  health_.unclean_stop = !fresh && !meta_.clean && !repaired_;
  uint64_t revision = std::max(meta_.clean ? meta_.revision : meta_.reserved + 1, max_row_revision());
  if (fresh) meta_.epoch = random_.uuid();
  meta_.reserved = revision + limits::kRevisionBlock;
  meta_.clean = false;
  TRY(database_->write_meta(meta_));  // durable before the first revision of this run is handed out
  // A log that begins anew holds no frames of an older run: what stands behind its end is never mistaken for damage.
  Status copied = database_->checkpoint(true);
  if (!copied.ok()) log_warning("store: ", copied.error().message());
  health_.epoch = meta_.epoch;
  health_.epoch_changed = meta_.epoch_wall_us != 0;
  start(revision, meta_.reserved);
  each_row(each);
  if (health_.unclean_stop)
    log_warning("store: ", path(), ": was not closed cleanly; revisions go on at ", revision, " and volatile values since the last flush are lost");
  database_->begin_serving();
  writer_ = std::make_unique<DatabaseWriter>(std::move(database_));
  wake_disk();
  return ok();
}

// --- writing

// Posted, so that all writes of one turn of the loop share a group.
void SqliteStore::wake_disk() {
  if (!writer_ || std::exchange(wake_posted_, true)) return;
  loop_.post([self = self_] {
    if (*self) (*self)->write_next();
  });
}

void SqliteStore::write_next() {
  wake_posted_ = false;
  auto group = next_group();
  if (!group) return;
  auto shared = std::make_shared<Group>(std::move(*group));
  writer_->post([shared, remote = loop_.remote(), self = self_](Database& database) {
    Status status = database.write(*shared);
    remote.post([self, status] {
      if (*self) (*self)->group_done(status);
    });
    Status copied = database.checkpoint(false);
    if (!copied.ok()) log_error("store: ", copied.error().message());
  });
}

void SqliteStore::group_done(Status status) {
  if (status.ok()) {
    if (std::exchange(health_.read_only, false)) {
      health_.text.clear();
      log_info("store: ", path(), ": writes work again");
    }
  } else {
    if (!std::exchange(health_.read_only, true)) log_error("store: ", status.error().message());
    health_.text = status.error().message();
    probe_timer_.arm_ms(options_.retry_ms);
  }
  finished(std::move(status));
}

void SqliteStore::volatile_waiting() {
  if (!flush_timer_.armed()) flush_timer_.arm_ms(limits::kVolatileFlushMs);
}

// --- copying and closing

Task<Status> SqliteStore::wait_for_writer(std::function<void(std::function<void(Status)> done)> start) {
  struct State {
    Event done;
    Status status = ok();
  };
  auto state = std::make_shared<State>();
  start([state, remote = loop_.remote()](Status status) {
    remote.post([state, status] {
      state->status = status;
      state->done.set();
    });
  });
  co_await state->done.wait();
  co_return state->status;
}

Task<Status> SqliteStore::confirm_epoch() {
  health_.epoch_changed = false;
  meta_.epoch_wall_us = 0;
  if (!writer_) co_return Error(Code::kUnavailable, "store: not open");
  std::function<void(std::function<void(Status)>)> start = [this](std::function<void(Status)> done) {
    writer_->post([done](Database& database) {
      auto meta = database.read_meta();
      if (meta.ok()) meta->epoch_wall_us = 0;
      done(meta.ok() ? database.write_meta(*meta) : Status(meta.error()));
    });
  };
  auto written = co_await wait_for_writer(start);
  co_return written;
}

Task<Status> SqliteStore::copy_to(std::string path) {
  if (!writer_) co_return Error(Code::kUnavailable, "store: not open");
  if (file_exists(path)) co_return Error(Code::kAlreadyExists, cat(path, ": is there already"));
  auto flushed = co_await flush();
  CO_TRY(flushed);
  std::function<void(std::function<void(Status)>)> start = [this, path](std::function<void(Status)> done) { start_copy(writer_.get(), path, done); };
  auto copied = co_await wait_for_writer(start);
  co_return copied;
}

Task<Status> SqliteStore::close() {
  if (!writer_) co_return ok();
  flush_timer_.disarm();
  probe_timer_.disarm();
  auto drained = co_await drain();
  std::unique_ptr<Database> database = writer_->finish();
  writer_.reset();
  CO_TRY(drained);
  meta_.revision = revision();
  meta_.reserved = std::max(meta_.reserved, meta_.revision);
  meta_.clean = true;
  CO_TRY(database->write_meta(meta_));
  co_return database->checkpoint(true);
}

}  // namespace bramble

#include "storage/backup/backup.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "storage/sqlite/files.h"

namespace bramble {

constexpr std::string_view kPrefix = "state-r", kSuffix = ".db", kPartSuffix = ".part";

static std::string backup_name(uint64_t revision, int64_t wall_us) {
  char digits[24];
  snprintf(digits, sizeof digits, "%020llu", static_cast<unsigned long long>(revision));
  std::string time = replace_all(replace_all(format_rfc3339(wall_us), "-", ""), ":", "");
  return cat(kPrefix, digits, "-", time, kSuffix);
}

// "state-r<20 digits>-20260102T030405Z.db"
static int64_t time_in(std::string_view name) {
  std::string_view t = name.substr(std::min(name.size(), kPrefix.size() + 21));
  if (t.size() != 16 + kSuffix.size()) return 0;
  std::string rfc3339 = cat(t.substr(0, 4), "-", t.substr(4, 2), "-", t.substr(6, 2), "T", t.substr(9, 2), ":", t.substr(11, 2), ":", t.substr(13, 3));
  return parse_rfc3339(rfc3339).value_or(0);
}

std::vector<BackupFile> list_backups(const std::string& dir) {
  std::vector<BackupFile> out;
  DIR* d = opendir(dir.c_str());
  if (!d) return out;
  while (dirent* e = readdir(d)) {
    std::string_view name = e->d_name;
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix) || name.size() < kPrefix.size() + 20) continue;
    auto revision = parse_uint64(name.substr(kPrefix.size(), 20));
    struct stat st;
    std::string path = cat(dir, "/", name);
    if (!revision || stat(path.c_str(), &st) != 0) continue;
    out.push_back({path, *revision, st.st_size, time_in(name)});
  }
  closedir(d);
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return out;
}

static void remove_parts(const std::string& dir) {
  std::vector<std::string> parts;
  DIR* d = opendir(dir.c_str());
  if (!d) return;
  while (dirent* e = readdir(d)) {
    std::string_view name = e->d_name;
    if (name.starts_with(kPrefix) && name.find(kPartSuffix) != std::string_view::npos) parts.push_back(cat(dir, "/", name));
  }
  closedir(d);
  for (const auto& part : parts) {
    auto removed = remove_file(part);
    if (!removed.ok()) log_warning("backup: ", removed.error().message());
  }
}

int64_t first_backup_wait_us(const std::vector<BackupFile>& present, int64_t now_wall_us, int64_t every_us) {
  const int64_t soonest_us = std::min(limits::kBackupSettleUs, every_us);
  if (present.empty() || present.back().wall_us == 0) return soonest_us;
  int64_t age_us = now_wall_us - present.back().wall_us;
  return age_us < 0 ? soonest_us : std::clamp(every_us - age_us, soonest_us, every_us);
}

// A copy may not be what fills the disk.
static Status check_room(const std::string& dir, const std::string& store_file) {
  struct statvfs disk;
  uint64_t wanted = 0;
  for (const std::string& file : {store_file, store_file + "-wal"}) {
    struct stat st;
    if (stat(file.c_str(), &st) == 0) wanted += static_cast<uint64_t>(st.st_size);
  }
  if (statvfs(dir.c_str(), &disk) != 0) return Error::from_errno(errno, dir);
  uint64_t room = uint64_t{disk.f_bavail} * disk.f_frsize;
  if (room >= 2 * wanted) return ok();
  return Error(Code::kNoSpace, cat(dir, ": ", room >> 20, " MiB left on the disk, too little for a backup of ", wanted >> 20, " MiB; free some or give another --backup-dir"));
}

static Result<std::vector<BackupFile>> prepare(const std::string& dir, const std::string& store_file) {
  TRY(make_directory(dir));
  remove_parts(dir);
  TRY(check_room(dir, store_file));
  return list_backups(dir);
}

static Status take_in(const std::string& part, const std::string& path, const std::string& dir, int keep) {
  TRY(rename_file(part, path));
  auto all = list_backups(dir);
  for (size_t i = 0; i + static_cast<size_t>(std::max(keep, 1)) < all.size(); i++) {
    if (all[i].path == path) continue;
    auto removed = remove_file(all[i].path);
    if (!removed.ok()) log_warning("backup: ", removed.error().message());
  }
  return ok();
}

Task<Result<std::string>> make_backup(SqliteStore& store, std::string dir, int keep, const Clock& clock) {
  std::function<Result<std::vector<BackupFile>>()> before = [dir, file = store.path()] { return prepare(dir, file); };
  auto present = co_await offload(std::move(before));
  CO_TRY(present);
  uint64_t revision = store.revision();
  if (!present->empty() && present->back().revision == revision) co_return present->back().path;
  std::string path = cat(dir, "/", backup_name(revision, clock.wall_us()));
  std::string part = cat(path, kPartSuffix);
  auto copied = co_await store.copy_to(part);
  CO_TRY(copied);
  std::function<Status()> after = [part, path, dir, keep] { return take_in(part, path, dir, keep); };
  auto taken = co_await offload(std::move(after));
  CO_TRY(taken);
  co_return path;
}

Result<Repaired> restore_backup(const std::string& backup, const std::string& store_dir, Random& random, const Clock& clock) {
  TRY(make_directory(store_dir));
  std::string path = cat(store_dir, "/state.db");
  if (file_exists(path)) {
    auto opened = Database::open(path);  // only to see that nobody else has it
    if (!opened.ok() && opened.error().code() == Code::kUnavailable) return opened.error();
  }
  return restore_store(backup, path, random, clock.wall_us());
}

}  // namespace bramble

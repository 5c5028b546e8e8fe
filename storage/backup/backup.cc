#include "storage/backup/backup.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include <algorithm>

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
    out.push_back({path, *revision, st.st_size});
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

Task<Result<std::string>> make_backup(SqliteStore& store, std::string dir, int keep, const Clock& clock) {
  CO_TRY(make_directory(dir));
  auto present = list_backups(dir);
  uint64_t revision = store.revision();
  if (!present.empty() && present.back().revision == revision) co_return present.back().path;
  remove_parts(dir);
  std::string path = cat(dir, "/", backup_name(revision, clock.wall_us()));
  std::string part = cat(path, kPartSuffix);
  auto copied = co_await store.copy_to(part);
  CO_TRY(copied);
  CO_TRY(rename_file(part, path));
  auto all = list_backups(dir);
  for (size_t i = 0; i + static_cast<size_t>(std::max(keep, 1)) < all.size(); i++) {
    if (all[i].path == path) continue;
    auto removed = remove_file(all[i].path);
    if (!removed.ok()) log_warning("backup: ", removed.error().message());
  }
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

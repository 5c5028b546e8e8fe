#include "storage/sqlite/repair.h"

#include <dirent.h>

#include <algorithm>
#include <unordered_set>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "storage/sqlite/block_reader.h"
#include "storage/sqlite/files.h"
#include "storage/sqlite/page_reader.h"
#include "storage/sqlite/wal_reader.h"

namespace bramble {

static std::string wal_of(const std::string& path) { return path + "-wal"; }
static std::string new_of(const std::string& path) { return path + ".new"; }
static std::string repaired_of(const std::string& path) { return path + ".repaired"; }

Result<bool> wal_damaged(const std::string& path, const char* vfs) {
  TRY_ASSIGN(std::string log, read_blocks(wal_of(path), vfs));
  return read_wal(log).damaged;
}

Status store_readable(const std::string& path, const char* vfs) {
  TRY(read_blocks(path, vfs));
  TRY(read_blocks(wal_of(path), vfs));
  return ok();
}

// --- replacing

static Status build_store(const std::string& path, const std::map<uint64_t, RowChange>& rows, const StoreMeta& meta) {
  TRY(remove_file(path));
  TRY(remove_file(wal_of(path)));
  TRY_ASSIGN(std::unique_ptr<Database> database, Database::open(path));
  Group group;
  size_t bytes = 0;
  for (const auto& [id, row] : rows) {
    group.rows.push_back(row);
    bytes += row.value->size();
    if (bytes < limits::kStoreGroupBytesMax) continue;
    TRY(database->write(group));
    TRY(database->checkpoint(false));
    group.rows.clear();
    bytes = 0;
  }
  TRY(database->write(group));
  TRY(database->write_meta(meta));
  TRY(database->checkpoint(true));
  database.reset();
  TRY(remove_file(wal_of(path)));
  return sync_directory_of(path);
}

// From state.db.new on, in steps that a crash may come between: the old files get second names, the rename to .repaired
// decides, and the old log goes before the new file takes the place.
static Result<std::string> put_in_place(const std::string& path, std::string_view word) {
  std::vector<int> before = numbered_files(path, word);
  std::string aside = numbered_name(path, word, before.empty() ? 1 : before.back() + 1);
  TRY(link_file(path, aside));
  TRY(link_file(wal_of(path), wal_of(aside)));
  TRY(rename_file(new_of(path), repaired_of(path)));
  TRY(finish_replacement(path));
  // A card that fails at each start would fill itself with them.
  for (size_t i = 0; i + limits::kSetAsideKept <= before.size(); i++) {
    TRY(remove_file(numbered_name(path, word, before[i])));
    TRY(remove_file(wal_of(numbered_name(path, word, before[i]))));
  }
  return aside;
}

Status finish_replacement(const std::string& path) {
  if (file_exists(repaired_of(path))) {
    TRY(remove_file(wal_of(path)));
    TRY(sync_directory_of(path));
    TRY(rename_file(repaired_of(path), path));
    log_info("store: ", path, ": the new file is in place");
  }
  TRY(remove_file(wal_of(new_of(path))));
  return remove_file(new_of(path));
}

static StoreMeta next_epoch(uint64_t newest, Random& random, int64_t now_wall_us) {
  StoreMeta meta;
  meta.epoch = random.uuid();
  meta.reserved = meta.revision = newest + limits::kRevisionJumpRepair;
  meta.clean = true;
  meta.epoch_wall_us = now_wall_us;
  return meta;
}

// The newest revision that a file knows of.
static uint64_t newest_revision(const SalvagedRows& s) {
  uint64_t newest = s.meta ? std::max(s.meta->reserved, s.meta->revision) : 0;
  for (const auto& [id, row] : s.rows) newest = std::max({newest, id, row.revision});
  return newest;
}

static Result<SalvagedRows> salvage_file(const std::string& path, const char* vfs = nullptr) {
  TRY_ASSIGN(std::string file, read_blocks_with_holes(path, vfs));
  TRY_ASSIGN(std::string log, read_blocks_with_holes(wal_of(path), vfs));
  return salvage_rows(file, log);
}

Result<Repaired> repair_store(const std::string& path, const char* vfs, const std::string& backup, Random& random, int64_t now_wall_us) {
  TRY_ASSIGN(SalvagedRows found, salvage_file(path, vfs));
  if (found.rows.empty() && !found.meta)
    return Error(Code::kInvalidArgument, cat(path, ": is not a bramble store, or nothing in it can be read; move it away, or restore ",
                                             backup.empty() ? std::string("a backup") : cat("the backup ", backup)));
  Repaired out;
  uint64_t newest = newest_revision(found);
  if (!backup.empty()) {
    TRY_ASSIGN(SalvagedRows old, salvage_file(backup));
    newest = std::max(newest, newest_revision(old));
    std::unordered_set<std::string> keys;
    for (const auto& [id, row] : found.rows) keys.insert(row.key);
    for (auto& [id, row] : old.rows) {
      if (!found.lost(id) || found.rows.contains(id) || keys.contains(row.key)) continue;
      out.damaged.push_back(row.key);
      found.rows.emplace(id, std::move(row));
      out.from_backup++;
    }
  }
  for (auto& key : found.damaged_keys)
    if (std::find(out.damaged.begin(), out.damaged.end(), key) == out.damaged.end()) out.damaged.push_back(key);
  out.rows = found.rows.size();
  out.meta = next_epoch(newest, random, now_wall_us);
  TRY(build_store(new_of(path), found.rows, out.meta));
  TRY_ASSIGN(out.set_aside, put_in_place(path, "damaged"));
  out.text = cat("store repaired: ", out.rows, " objects kept, ", out.from_backup, " of them from the backup, ", out.damaged.size(),
                 " known to be damaged", found.lost_ids.empty() ? "" : ", some may be missing", "; the damaged file is ", out.set_aside);
  return out;
}

Result<Repaired> restore_store(const std::string& backup, const std::string& path, Random& random, int64_t now_wall_us) {
  if (!file_exists(backup)) return Error(Code::kNotFound, cat(backup, ": is not there"));
  TRY_ASSIGN(SalvagedRows from, salvage_file(backup));
  if (!from.meta || !from.lost_ids.empty())
    return Error(Code::kCorrupt, cat(backup, ": is damaged or not a backup of a bramble store; take another one"));
  TRY_ASSIGN(SalvagedRows present, salvage_file(path));
  Repaired out;
  out.rows = from.rows.size();
  out.meta = next_epoch(std::max(newest_revision(from), newest_revision(present)), random, now_wall_us);
  TRY(finish_replacement(path));
  TRY(build_store(new_of(path), from.rows, out.meta));
  bool replaces = file_exists(path);
  TRY_ASSIGN(out.set_aside, put_in_place(path, "replaced"));
  out.text = cat("store restored from ", backup, ": ", out.rows, " objects", replaces ? cat("; the file before is ", out.set_aside) : std::string());
  return out;
}

// --- backups

std::vector<std::string> backups_newest_first(const std::string& dir) {
  std::vector<std::string> out;
  DIR* d = opendir(dir.c_str());
  if (!d) return out;
  while (dirent* e = readdir(d)) {
    std::string_view name = e->d_name;
    if (name.starts_with("state-r") && name.ends_with(".db")) out.push_back(cat(dir, "/", name));
  }
  closedir(d);
  std::sort(out.rbegin(), out.rend());
  return out;
}

std::string newest_backup(const std::string& dir) {
  std::vector<std::string> all = backups_newest_first(dir);
  return all.empty() ? std::string() : all.front();
}

}  // namespace bramble

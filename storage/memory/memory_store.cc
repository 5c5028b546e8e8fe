#include "storage/memory/memory_store.h"

#include <algorithm>
#include <utility>

#include "core/base/limits.h"

namespace bramble {

Status MemoryStore::load(std::function<void(StoredValue)> each) {
  for (const auto& [id, row] : disk_->rows) take_row(row);
  health_.unclean_stop = !disk_->clean;
  health_.epoch = disk_->epoch;
  health_.epoch_changed = disk_->epoch_changed;
  uint64_t revision = disk_->clean ? std::max({disk_->revision, max_row_revision(), uint64_t{1}})
                                   : std::max(disk_->reserved, max_row_revision()) + 1;
  disk_->clean = false;
  disk_->reserved = revision + limits::kRevisionBlock;
  start(revision, disk_->reserved);
  each_row(each);
  return ok();
}

void MemoryStore::wake_disk() {
  if (std::exchange(running_, true)) return;
  while (!waiting_) {
    waiting_ = next_group();
    if (!waiting_ || held_) break;
    Group group = std::move(*std::exchange(waiting_, std::nullopt));
    finished(write(group));
  }
  running_ = false;
}

void MemoryStore::release(bool all) {
  if (all) held_ = false;
  if (waiting_) {
    Group group = std::move(*std::exchange(waiting_, std::nullopt));
    finished(write(group));
  }
  wake_disk();
}

Status MemoryStore::write(const Group& group) {
  if (fail_next_) {
    Error error = *std::exchange(fail_next_, std::nullopt);
    health_.read_only = true;
    health_.text = error.message();
    return error;
  }
  for (const auto& row : group.rows) {
    if (row.value)
      disk_->rows[row.id] = row;
    else
      disk_->rows.erase(row.id);
  }
  if (group.reserve) disk_->reserved = group.reserve;
  disk_->groups_written++;
  disk_->rows_written += group.rows.size();
  health_.read_only = false;
  health_.text.clear();
  return ok();
}

Task<Status> MemoryStore::confirm_epoch() {
  health_.epoch_changed = disk_->epoch_changed = false;
  co_return ok();
}

Task<Status> MemoryStore::close() {
  auto drained = co_await drain();
  CO_TRY(drained);
  disk_->revision = revision();
  disk_->clean = true;
  co_return ok();
}

}  // namespace bramble

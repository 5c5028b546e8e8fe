#include "storage/queued_store.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "core/base/limits.h"

namespace bramble {

using limits::kRevisionBlock;

// --- loading

void QueuedStore::take_row(RowChange row) {
  max_row_revision_ = std::max({max_row_revision_, row.revision, row.id});
  auto [it, fresh] = rows_.try_emplace(row.key);
  Row& held = it->second;
  if (!fresh) {  // two rows of one key: only a repair leaves such; the newer one is true
    bool newer = row.revision > held.revision;
    stale_rows_.push_back({newer ? held.id : row.id, row.key, 0, nullptr});
    if (!newer) return;
  }
  held = {std::move(row.value), row.revision, row.id, true};
}

void QueuedStore::forget_rows() {
  rows_.clear();
  stale_rows_.clear();
  max_row_revision_ = 0;
}

void QueuedStore::each_row(const std::function<void(StoredValue)>& fn) const {
  for (const auto& [key, row] : rows_) fn({key, row.value, row.revision});
}

void QueuedStore::start(uint64_t revision, uint64_t reserved) {
  CHECK(!started_ && revision >= max_row_revision_ && reserved >= revision, revision, " ", max_row_revision_, " ", reserved);
  shown_revision_ = revision;
  next_revision_ = revision + 1;
  reserved_ = reserved;
  started_ = true;
}

// --- submitting

uint64_t QueuedStore::latest(std::string_view key) const {
  if (auto p = pending_.find(key); p != pending_.end()) return p->second.deleted ? 0 : p->second.revision;
  auto r = rows_.find(key);
  return r == rows_.end() ? 0 : r->second.revision;
}

Status QueuedStore::admit(size_t bytes) const {
  if (closing_ || !started_) return Error(Code::kUnavailable, "store: not open for writing; try again later");
  if (queue_.size() >= limits::kStoreQueueMax || queue_bytes_ + bytes > limits::kStoreQueueBytesMax)
    return Error(Code::kTooManyRequests, cat("store: ", queue_.size(), " writes wait for the disk; try again later"));
  return ok();
}

bool QueuedStore::reservation_wanted() const { return next_revision_ + kRevisionBlock / 2 > reserved_; }

Result<std::shared_ptr<QueuedStore::Op>> QueuedStore::submit(std::string key, uint64_t expected, Durability durability,
                                                             std::function<Buffer(uint64_t)> make,
                                                             uint64_t* unchanged) {
  TRY(admit(0));
  uint64_t have = latest(key);
  if (have != expected) return Error(Code::kConflict, cat(key, ": at revision ", have, ", expected ", expected));
  if (!make && expected == 0) return Error(Code::kConflict, cat(key, ": does not exist"));

  uint64_t revision = next_revision_;
  Buffer value = make ? make(revision) : nullptr;
  CHECK(!make || value, key, ": made no value");
  CHECK(revision == next_revision_, key, ": a write inside make");
  TRY(admit(value ? value->size() : 0));
  if (durability == Durability::kVolatile && dirty_bytes_ > 2 * limits::kVolatileBytesMax)
    return Error(Code::kTooManyRequests, cat("store: ", dirty_bytes_, " bytes of volatile values wait for the disk; try again later"));

  auto pending = pending_.find(key);
  auto row = rows_.find(key);
  if (value && pending == pending_.end() && row != rows_.end() && *row->second.value == *value) {
    *unchanged = row->second.revision;
    return std::shared_ptr<Op>();
  }

  // The row keeps its place for as long as the disk may hold it, also across a deletion that is still on its way.
  Pending next{revision, revision, false, !value};
  if (pending != pending_.end()) {
    next.id = pending->second.id;
    next.on_disk = pending->second.on_disk;
  } else if (row != rows_.end()) {
    next.id = row->second.id;
    next.on_disk = row->second.on_disk;
  } else if (auto dirty = dirty_.find(key); dirty != dirty_.end()) {
    next.id = dirty->second.change.id;
    next.on_disk = true;
  }

  auto op = std::make_shared<Op>();
  op->change = {next.id, std::move(key), revision, std::move(value)};
  op->make = std::move(make);
  op->prev_revision = expected;
  op->to_disk = durability == Durability::kDurable && (op->change.value || next.on_disk);
  op->on_disk = next.on_disk = next.on_disk || op->to_disk;
  op->ready = !op->to_disk && revision <= reserved_;
  next_revision_++;
  pending_[op->change.key] = next;
  queue_bytes_ += op->change.value ? op->change.value->size() : 0;
  queue_.push_back(op);
  if (reservation_wanted()) reserve_asked_ = true;
  if (!op->ready || reserve_asked_) wake_disk();
  show_ready();
  return op;
}

Task<Result<uint64_t>> QueuedStore::put(std::string key, uint64_t expected, Durability durability,
                                        std::function<Buffer(uint64_t)> make) {
  uint64_t unchanged = 0;
  auto submitted = submit(std::move(key), expected, durability, std::move(make), &unchanged);
  CO_TRY(submitted);
  std::shared_ptr<Op> op = *submitted;
  if (!op) co_return unchanged;
  co_await op->answered.wait();
  if (op->failed) co_return *op->failed;
  co_return op->change.revision;
}

Task<Result<uint64_t>> QueuedStore::remove(std::string key, uint64_t expected, Durability durability) {
  auto submitted = submit(std::move(key), expected, durability, nullptr, nullptr);
  CO_TRY(submitted);
  std::shared_ptr<Op> op = *submitted;
  co_await op->answered.wait();
  if (op->failed) co_return *op->failed;
  co_return op->change.revision;
}

// --- groups

std::optional<Group> QueuedStore::next_group() {
  if (writing_) return std::nullopt;
  Group group;
  size_t bytes = 0;
  bool wanted = false;
  for (const auto& op : queue_) {
    if (op->ready || op->failed) continue;  // a failed one waits here for its turn to be answered
    size_t size = op->change.value ? op->change.value->size() : 0;
    if (group_ops_.size() >= limits::kStoreGroupMax) break;
    if (bytes > 0 && bytes + size > limits::kStoreGroupBytesMax) break;
    bytes += size;
    group_ops_.push_back(op);
    wanted = true;
  }
  if (std::exchange(reserve_asked_, false)) wanted = true;
  bool probe = std::exchange(probe_asked_, false);
  wanted = wanted || probe;

  bool ride = wanted && !dirty_.empty() && clock_.monotonic_us() - oldest_dirty_us_ >= limits::kVolatileRideUsMax;
  bool flush = flushes_asked_ > flushes_done_;
  group_flush_ = flushes_asked_;
  if (flush || ride) {
    for (auto& [key, dirty] : dirty_) {
      if (pending_.contains(key)) continue;  // what is queued comes instead of it
      group.rows.push_back(dirty.change);
      group_dirty_.emplace_back(key, dirty.change.revision);
      if (auto row = rows_.find(key); row != rows_.end()) row->second.on_disk = true;
    }
  }
  if (!wanted && group.rows.empty() && (!flush || stale_rows_.empty())) {
    if (flush) settle(ok());
    return std::nullopt;
  }
  group_stale_ = stale_rows_.size();
  group.rows.insert(group.rows.begin(), stale_rows_.begin(), stale_rows_.end());
  for (const auto& op : group_ops_)
    if (op->to_disk) group.rows.push_back(op->change);
  if (probe || reservation_wanted()) group.reserve = group_reserve_ = next_revision_ + kRevisionBlock;
  writing_ = true;
  return group;
}

void QueuedStore::finished(Status status) {
  CHECK(writing_, "no group is being written");
  writing_ = false;
  auto ops = std::exchange(group_ops_, {});
  auto flushed = std::exchange(group_dirty_, {});
  uint64_t reserve = std::exchange(group_reserve_, 0);

  if (status.ok()) {
    if (reserve) reserved_ = reserve;
    stale_rows_.erase(stale_rows_.begin(), stale_rows_.begin() + static_cast<ptrdiff_t>(group_stale_));
    for (const auto& op : ops) op->ready = true;
    for (const auto& op : queue_)
      if (!op->to_disk && !op->failed && op->change.revision <= reserved_) op->ready = true;
    for (const auto& [key, revision] : flushed)
      if (auto d = dirty_.find(key); d != dirty_.end() && d->second.change.revision == revision) drop_dirty(key);
    oldest_dirty_us_ = clock_.monotonic_us();  // at least as young as this group, but for what came while it was written
    for (const auto& [key, dirty] : dirty_) oldest_dirty_us_ = std::min(oldest_dirty_us_, dirty.since_us);
  } else {
    // The group's writes fail, and with them every queued write that was allowed because of one of them.
    std::unordered_set<std::string_view> keys;
    for (const auto& op : ops) {
      op->failed = status.error();
      keys.insert(op->change.key);
    }
    for (const auto& op : queue_) {
      if (!keys.contains(op->change.key)) continue;
      op->failed = status.error();
      pending_.erase(op->change.key);
    }
  }
  show_ready();
  settle(std::move(status));
  wake_disk();
}

// --- showing

void QueuedStore::set_dirty(const RowChange& change) {
  auto [it, fresh] = dirty_.try_emplace(change.key);
  int64_t now_us = clock_.monotonic_us();
  if (fresh) {
    it->second.since_us = now_us;
    if (dirty_.size() == 1) oldest_dirty_us_ = now_us;
  } else if (it->second.change.value) {
    dirty_bytes_ -= it->second.change.value->size();
  }
  it->second.change = change;
  dirty_bytes_ += change.value ? change.value->size() : 0;
  volatile_waiting();
  if (dirty_bytes_ > limits::kVolatileBytesMax && flushes_asked_ == flushes_done_) flush_soon();
}

void QueuedStore::drop_dirty(std::string_view key) {
  auto it = dirty_.find(key);
  if (it == dirty_.end()) return;
  dirty_bytes_ -= it->second.change.value ? it->second.change.value->size() : 0;
  dirty_.erase(it);
}

void QueuedStore::apply(const Op& op) {
  const RowChange& c = op.change;
  auto row = rows_.find(c.key);
  auto dirty = dirty_.find(c.key);
  bool on_disk = op.on_disk || (row != rows_.end() && row->second.on_disk) || (dirty != dirty_.end() && !dirty->second.change.value);
  if (auto p = pending_.find(c.key); p != pending_.end() && p->second.revision == c.revision) pending_.erase(p);
  if (!op.to_disk && (c.value || on_disk))
    set_dirty(c);
  else
    drop_dirty(c.key);
  if (c.value)
    rows_.insert_or_assign(c.key, Row{c.value, c.revision, c.id, on_disk});
  else
    rows_.erase(c.key);
}

// Observers and answered writers may write again: what becomes ready meanwhile is shown by the outermost call.
void QueuedStore::show_ready() {
  if (showing_) return;
  showing_ = true;
  while (!queue_.empty() && (queue_.front()->ready || queue_.front()->failed)) {
    std::vector<std::shared_ptr<Op>> done;
    std::vector<Commit> commits;
    while (!queue_.empty() && (queue_.front()->ready || queue_.front()->failed)) {
      std::shared_ptr<Op> op = std::move(queue_.front());
      queue_.pop_front();
      queue_bytes_ -= op->change.value ? op->change.value->size() : 0;
      if (!op->failed) {
        apply(*op);
        shown_revision_ = op->change.revision;
        commits.push_back({op->change.key, op->change.value, op->change.revision, op->prev_revision});
      }
      done.push_back(std::move(op));
    }
    if (!commits.empty())
      for (size_t i = 0; i < observers_.size(); i++) observers_[i](commits);
    for (const auto& op : done) {
      op->make = nullptr;
      op->answered.set();
    }
  }
  showing_ = false;
}

void QueuedStore::on_commit(std::function<void(const std::vector<Commit>&)> observer) {
  observers_.push_back(std::move(observer));
}

// --- flushing

void QueuedStore::settle(Status status) {
  flushes_done_ = group_flush_;
  flush_status_ = std::move(status);
  settled_.pulse();
}

void QueuedStore::flush_soon() {
  flushes_asked_++;
  wake_disk();
}

void QueuedStore::probe_disk() {
  probe_asked_ = true;
  wake_disk();
}

Task<Status> QueuedStore::flush() {
  uint64_t ticket = ++flushes_asked_;
  wake_disk();
  while (flushes_done_ < ticket) co_await settled_.wait();
  co_return flush_status_;
}

Task<Status> QueuedStore::drain() {
  closing_ = true;
  for (;;) {
    auto flushed = co_await flush();
    if (queue_.empty() && (!flushed.ok() || (dirty_.empty() && stale_rows_.empty()))) co_return flushed;
  }
}

}  // namespace bramble

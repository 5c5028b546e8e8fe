// MemoryStore: a Store whose disk is a value in memory, for tests. The contract is SqliteStore's (one test runs against both):
// groups, reservations, volatile writes and unclean stops behave alike. Without hold() everything is answered at once, so no
// loop is needed. Failures are injected by fail_next() and by keeping the MemoryDisk across two stores (a crash).
#pragma once

#include <map>
#include <memory>

#include "storage/queued_store.h"

namespace bramble {

// What survives a crash.
struct MemoryDisk {
  std::map<uint64_t, RowChange> rows;  // by id
  uint64_t reserved = 0;
  uint64_t revision = 0;  // at a clean stop
  bool clean = true;
  std::string epoch = "memory-epoch";
  bool epoch_changed = false;
  size_t groups_written = 0;
  size_t rows_written = 0;
};

class MemoryStore final : public QueuedStore {
 public:
  explicit MemoryStore(const Clock& clock, std::shared_ptr<MemoryDisk> disk = std::make_shared<MemoryDisk>())
      : QueuedStore(clock), disk_(std::move(disk)) {}

  Status load(std::function<void(StoredValue)> each) override;
  const Health& health() const override { return health_; }
  Task<Status> confirm_epoch() override;
  Task<Status> close() override;

  // Groups wait until release(), which writes the one that waits (and, with all, those that queued behind it).
  void hold() { held_ = true; }
  void release(bool all = true);
  bool group_waits() const { return waiting_.has_value(); }
  // The next group fails like this (kNoSpace: a full disk) and changes nothing.
  void fail_next(Error error) { fail_next_ = std::move(error); }

 private:
  void wake_disk() override;
  Status write(const Group& group);

  std::shared_ptr<MemoryDisk> disk_;
  bool held_ = false;
  bool running_ = false;
  std::optional<Group> waiting_;
  std::optional<Error> fail_next_;
};

}  // namespace bramble

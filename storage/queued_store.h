// QueuedStore: the half of a Store that is the same on every disk: revisions, preconditions, the queue of writes, groups,
// volatile writes, and the order in which changes are shown. What a disk does with a group is the derived class's business.
//
// A write goes: submit (precondition, revision) -> queue -> group -> disk -> finished -> shown to observers, in revision
// order -> its writer is answered. A volatile write skips the disk but not the queue: it is shown only after everything
// with an older revision. Owner thread only.
//
// Revisions are reserved on disk in blocks before they are handed out from memory, so that none is used twice after a
// crash; a write whose revision is not reserved yet waits for the group that reserves it.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/base/clock.h"
#include "storage/store.h"

namespace bramble {

// One row as the disk shall have it. The id is the row's place: the revision at which its key was created.
struct RowChange {
  uint64_t id = 0;
  std::string key;
  uint64_t revision = 0;
  Buffer value;  // null: delete the row
};

struct Group {
  std::vector<RowChange> rows;  // in order; a later one of the same id wins
  uint64_t reserve = 0;         // promise on disk that revisions up to this one may be in use; 0: no change
};

class QueuedStore : public Store {
 public:
  explicit QueuedStore(const Clock& clock) : clock_(clock) {}

  Task<Result<uint64_t>> put(std::string key, uint64_t expected, Durability durability,
                             std::function<Buffer(uint64_t revision)> make) override;
  Task<Result<uint64_t>> remove(std::string key, uint64_t expected, Durability durability) override;
  void on_commit(std::function<void(const std::vector<Commit>&)> observer) override;
  uint64_t revision() const override { return shown_revision_; }
  uint64_t latest(std::string_view key) const override;
  Task<Status> flush() override;

 protected:
  // --- for the derived class, before the first write
  // Takes one row that the disk holds. Of two rows with one key the newer stays, and the other is deleted with the next group.
  void take_row(RowChange row);
  void forget_rows();
  void each_row(const std::function<void(StoredValue)>& fn) const;
  uint64_t max_row_revision() const { return max_row_revision_; }
  // Ready: revisions go on after `revision`, and those up to `reserved` are reserved on disk.
  void start(uint64_t revision, uint64_t reserved);

  // --- the disk
  virtual void wake_disk() = 0;           // there may be a group to write: call next_group() soon, on the owner's thread
  virtual void volatile_waiting() {}      // there is something volatile now that no group is asked to take
  std::optional<Group> next_group();      // nothing to do, or a group is being written: none
  void finished(Status status);           // of the group that next_group() gave

  void flush_soon();  // flush() without waiting
  void probe_disk();  // a group follows that writes something, whether or not anybody wants a write
  // Refuses further writes, writes what is queued and volatile, and waits for it. The first error, if any.
  Task<Status> drain();
  bool idle() const { return queue_.empty() && !writing_; }

  const Clock& clock_;
  Health health_;

 private:
  struct Row {
    Buffer value;
    uint64_t revision = 0;
    uint64_t id = 0;
    bool on_disk = false;  // the disk may hold a row with this id
  };
  struct Pending {  // what a key will be when all queued writes of it are done
    uint64_t revision = 0;
    uint64_t id = 0;
    bool on_disk = false;
    bool deleted = false;
  };
  struct Op {
    RowChange change;
    std::function<Buffer(uint64_t)> make;  // kept for what it owns
    uint64_t prev_revision = 0;
    bool to_disk = true;
    bool on_disk = false;           // as in Row, when this op is done
    bool ready = false;             // durable, or needs no more than its turn
    std::optional<Error> failed;
    Event answered;
  };
  struct Dirty {  // a volatile change that the disk does not have
    RowChange change;
    int64_t since_us = 0;
  };
  struct KeyHash {
    using is_transparent = void;
    size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
  };
  template <class V>
  using KeyMap = std::unordered_map<std::string, V, KeyHash, std::equal_to<>>;

  Result<std::shared_ptr<Op>> submit(std::string key, uint64_t expected, Durability durability,
                                     std::function<Buffer(uint64_t)> make, uint64_t* unchanged);
  Status admit(size_t bytes) const;
  bool reservation_wanted() const;
  void settle(Status status);
  void show_ready();
  void apply(const Op& op);
  void set_dirty(const RowChange& change);
  void drop_dirty(std::string_view key);

  KeyMap<Row> rows_;         // what observers have seen
  KeyMap<Pending> pending_;  // keys with queued writes
  KeyMap<Dirty> dirty_;
  size_t dirty_bytes_ = 0;
  int64_t oldest_dirty_us_ = 0;
  std::vector<RowChange> stale_rows_;

  std::deque<std::shared_ptr<Op>> queue_;  // by revision, not yet shown
  size_t queue_bytes_ = 0;
  uint64_t next_revision_ = 1;
  uint64_t shown_revision_ = 0;
  uint64_t reserved_ = 0;
  uint64_t max_row_revision_ = 0;

  bool writing_ = false;
  std::vector<std::shared_ptr<Op>> group_ops_;
  std::vector<std::pair<std::string, uint64_t>> group_dirty_;  // key, revision
  uint64_t group_reserve_ = 0;
  size_t group_stale_ = 0;
  uint64_t group_flush_ = 0;     // flushes asked for when the group was put together

  bool reserve_asked_ = false;
  bool probe_asked_ = false;
  uint64_t flushes_asked_ = 0;
  uint64_t flushes_done_ = 0;
  Status flush_status_ = ok();   // of the last group
  Event settled_;                // pulsed after each group
  bool showing_ = false;
  bool started_ = false;
  bool closing_ = false;
  std::vector<std::function<void(const std::vector<Commit>&)>> observers_;
};

}  // namespace bramble

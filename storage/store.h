// Store: durable keys and bytes with revisions. Knows no Kubernetes kind. Implementations: storage/sqlite (the default),
// storage/memory (tests), later etcd.
//
// What was acknowledged survives a power cut. Revisions are one counter for the whole store, grow with every change, and
// never go back after any crash. All calls and callbacks are on the owner's loop thread; an implementation may use a
// writer thread of its own. Reads of the present are the watch cache's business (core/registry): it loads everything once
// by load() and then follows on_commit.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/buffer.h"
#include "core/base/result.h"
#include "core/loop/task.h"

namespace bramble {

struct StoredValue {
  std::string key;       // "/registry/<group>/<resource>/<namespace>/<name>"; the store does not look inside
  Buffer value;
  uint64_t revision = 0;  // at which this value was written
};

// How soon a write must be on disk.
enum class Durability {
  kDurable,   // acknowledged after fsync
  kVolatile,  // acknowledged from memory; reaches the disk lazily and at a clean stop (Events, Lease renewals, heartbeats)
};

struct Commit {
  std::string key;
  Buffer value;               // null: deleted
  uint64_t revision = 0;      // of this change
  uint64_t prev_revision = 0;  // of the value before, 0 if there was none
};

class Store {
 public:
  virtual ~Store() = default;

  // Everything, once, before the first write. Errors quarantine single rows (see damaged()), not the store.
  virtual Status load(std::function<void(StoredValue)> each) = 0;

  // Writes value at key if the key's revision, pending writes included, is `expected` (0: the key must not exist).
  // The value is made by `make(revision)` when the revision is known, so that it can contain it; make runs on the owner
  // thread at once, and is kept until the write is done, however that ends: what it owns lives as long as the write may still
  // happen, also when the task was dropped. kConflict when the precondition fails, kNoSpace on a full disk, kTooManyRequests when
  // limits::kStoreQueueMax writes wait. Gives the revision. The write is seen by nobody before it is durable.
  virtual Task<Result<uint64_t>> put(std::string key, uint64_t expected, Durability durability,
                                     std::function<Buffer(uint64_t revision)> make) = 0;
  // A value that equals the present one byte for byte changes nothing: no revision, no write, the present revision back.
  // Dropping the task does not take the write back.
  //
  // Deletes the key if its revision is `expected`. Gives the revision of the deletion. A volatile deletion (of expired
  // Events) may come undone by a crash.
  virtual Task<Result<uint64_t>> remove(std::string key, uint64_t expected, Durability durability) = 0;

  // Called in revision order, after the change is durable (or, if volatile, accepted) and before its writer is answered.
  virtual void on_commit(std::function<void(const std::vector<Commit>&)> observer) = 0;

  virtual uint64_t revision() const = 0;       // the newest that observers have seen
  // What a pending or committed key's newest revision is, 0 when it does not exist. For preconditions under load.
  virtual uint64_t latest(std::string_view key) const = 0;

  struct Health {
    bool read_only = false;              // the last group of writes failed (a full disk, a read-only file system)
    std::string text;                    // of that failure, or of a repair at start: what happened, and what to do
    std::vector<std::string> damaged;    // keys whose rows could not be read at start
    bool unclean_stop = false;           // the process before us did not stop cleanly
    std::string epoch;                   // changes by a repair or a restore (DESIGN section 4)
    bool epoch_changed = false;          // it did, and confirm_epoch() was not called since: delete nothing merely for being absent
    // Whether writes are taken, as of the last group; else why not. For readiness checks.
    Status ready() const { return read_only ? Status(Error(Code::kNoSpace, text)) : ok(); }
  };
  virtual const Health& health() const = 0;
  // What is absent since the epoch began is gone for good: epoch_changed ends, for later processes too. When to say so is
  // core/app's decision; it does not go by the wall clock, which a board may not have.
  virtual Task<Status> confirm_epoch() = 0;
  // Writes what is volatile to disk now.
  virtual Task<Status> flush() = 0;
  virtual Task<Status> close() = 0;        // writes what is volatile, checkpoints, closes
};

}  // namespace bramble

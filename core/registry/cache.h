// WatchCache: the present state of all objects, their recent past, and news of changes. Every read of bramble ends here;
// reads never touch the disk. Built over a Store: loads everything once, then follows the store's commits.
//
// Not here: what an object means, selectors, who may see what (core/apiserver), preconditions (the Store).
// Owned by core/app; one owner thread for all calls and callbacks. Nothing survives a crash: it is loaded again, with an
// empty past. Revisions from before the start answer kGone, but for the very revision at which the server started.
//
// Keys are "/registry/<group or core>/<resource>/<namespace>/<name>" (cluster-scoped: no namespace part). The first four
// slashes end the *topic* of a key, "/registry/<group>/<resource>/": news and history are kept by topic, so that a watcher
// of a quiet resource neither wakes nor falls behind because another resource is busy.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/clock.h"
#include "core/json/value.h"
#include "core/quarantine/quarantine.h"
#include "core/registry/cache_tree.h"
#include "storage/store.h"

namespace bramble {

// One change. Immutable but for the memo of rendered frames; owner thread only.
class CacheEvent {
 public:
  CacheEvent(EntryRef before_, EntryRef after_, uint64_t revision_)
      : before(std::move(before_)), after(std::move(after_)), revision(revision_) {}
  const EntryRef before;    // null: created
  const EntryRef after;     // null: deleted
  const uint64_t revision;  // of the change; after->revision is the same, a deleted object's own is older
  const std::string& key() const { return after ? after->key : before->key; }

  // A rendered watch frame to share between watchers, by a slot of the caller's meaning (say ADDED in JSON).
  // Kept only until the next commit, so that the past does not hold every object twice; a late watcher renders its own.
  static constexpr int kFrameSlots = 6;
  Buffer frame(int slot) const { return frames_ ? frames_[static_cast<size_t>(slot)] : nullptr; }
  void keep_frame(int slot, Buffer frame) const {
    if (!fresh_) return;
    if (!frames_) frames_ = std::make_unique<Buffer[]>(kFrameSlots);
    frames_[static_cast<size_t>(slot)] = std::move(frame);
  }

 private:
  friend class WatchCache;
  mutable bool fresh_ = true;
  mutable std::unique_ptr<Buffer[]> frames_;  // kFrameSlots, once there is one
};
using EventRef = std::shared_ptr<const CacheEvent>;

// The whole state as of one revision: a pinned root, cheap to copy, valid for as long as it is kept (also after the cache
// has forgotten that revision). Keep it short: it holds the documents of its time in memory.
class CacheView {
 public:
  CacheView() = default;
  CacheView(CacheTree tree, uint64_t revision) : tree_(std::move(tree)), revision_(revision) {}
  uint64_t revision() const { return revision_; }
  EntryRef get(std::string_view key) const { return tree_.get(key); }  // null: none
  // Calls fn for entries with this prefix in key order, beginning after the key start_after ("" for all), at most limit of
  // them (0: all), until fn answers false. Gives true when there are more after the last one shown.
  bool range(std::string_view prefix, std::string_view start_after, size_t limit,
             const std::function<bool(const EntryRef&)>& fn) const {
    return tree_.range(prefix, start_after, limit, fn);
  }
  // How many entries have the prefix and come after the key start_after; without walking them (remainingItemCount).
  size_t count(std::string_view prefix, std::string_view start_after = {}) const { return tree_.count(prefix, start_after); }

 private:
  CacheTree tree_;
  uint64_t revision_ = 0;
};

class WatchCache {
 public:
  explicit WatchCache(const Clock& clock);
  ~WatchCache();
  WatchCache(const WatchCache&) = delete;

  // Loads all of the store and follows its commits from then on. Once, before the first write. The store must outlive the
  // cache's last use. Values that are not JSON are skipped and named in unreadable().
  // A value that ended earlier processes here is skipped as well.
  Status load(Store& store, Quarantine* quarantine = nullptr);
  const std::vector<std::string>& unreadable() const { return unreadable_; }

  // --- the present
  uint64_t revision() const { return revision_; }              // the newest that readers see; also for bookmarks
  uint64_t start_revision() const { return start_revision_; }  // at which this process loaded
  EntryRef get(std::string_view key) const { return tree_.get(key); }
  CacheView view() const { return CacheView(tree_, revision_); }
  // Of a key without an entry: its absence proves nothing, because its value is unreadable or the store's epoch is new. Of a
  // prefix, that ends in '/': that of some key.
  bool may_be_lost(std::string_view key) const;

  // --- the past
  // Keeps the present view findable by its revision for the continue tokens of a paged LIST, within kPinnedBytesMax,
  // kPinnedViewsMax and kRingAgeUsMax. Pinning one revision twice is free.
  CacheView pin();
  // The state as of a past revision: pinned, or made again from the ring. kGone when neither holds it any more, and
  // kInvalidArgument for a revision that is not reached yet.
  Result<CacheView> view_at(uint64_t revision);

  struct Batch {
    std::vector<EventRef> events;
    uint64_t cursor = 0;  // pass it as `revision` next time
    bool more = false;    // stopped at max: ask again before waiting
  };
  // Changes of keys with this prefix after `revision`, oldest first, at most max. The prefix must hold a whole topic and may
  // be longer ("/registry/core/pods/default/"). kGone when events of the topic after `revision` were dropped already (a
  // watcher closes with 410); a revision newer than the present gives an empty batch with the cursor as it was.
  Result<Batch> events_after(uint64_t revision, std::string_view prefix, size_t max) const;

  // --- news
  // A callback for each commit batch that touches the topic, in revision order, after view() shows it and before its writers
  // are answered. Once the cache is loaded.
  // Dropping the Observation ends the calls, also from within one.
  class Observation {
   public:
    ~Observation();

   private:
    friend class WatchCache;
    struct Slot;
    explicit Observation(std::shared_ptr<Slot> slot) : slot_(std::move(slot)) {}
    std::shared_ptr<Slot> slot_;
  };
  using Observer = std::function<void(const std::vector<EventRef>&)>;
  [[nodiscard]] std::unique_ptr<Observation> observe_topic(std::string_view topic, Observer fn);

  // --- writers
  // A writer that has the parsed Document of the bytes it gives to Store::put hands it over here, inside `make`, so that the
  // commit need not parse again. Matched by the identity of document.bytes(). The ticket belongs to what make owns: it is to
  // live until the write is done, and may outlive the cache.
  class Prepared {
   public:
    Prepared() = default;
    Prepared(Prepared&& o) noexcept : table_(std::move(o.table_)), bytes_(o.bytes_) { o.table_.reset(); }
    Prepared& operator=(Prepared&& o) noexcept;
    ~Prepared() { forget(); }

   private:
    friend class WatchCache;
    using Table = std::unordered_map<const std::string*, Document>;
    Prepared(std::weak_ptr<Table> table, const std::string* bytes) : table_(std::move(table)), bytes_(bytes) {}
    void forget();
    std::weak_ptr<Table> table_;
    const std::string* bytes_ = nullptr;
  };
  [[nodiscard]] Prepared prepare(Document document);

  struct Stats {
    size_t entries = 0, ring_events = 0, ring_bytes = 0, pinned_views = 0, topics = 0;
  };
  Stats stats() const;

  static std::string_view topic_of(std::string_view key);  // "/registry/core/pods/" of a key or longer prefix

 private:
  struct Topic;
  struct Parts;
  void commit(const std::vector<Commit>& commits);
  Document document_of(const Commit& commit);

  const Clock& clock_;
  const Store* store_ = nullptr;
  uint64_t revision_ = 0;
  uint64_t start_revision_ = 0;
  CacheTree tree_;
  std::vector<std::string> unreadable_;
  std::unique_ptr<Parts> parts_;  // topics, ring, pins, observers, prepared documents
};

}  // namespace bramble

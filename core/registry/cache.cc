#include "core/registry/cache.h"

#include <algorithm>
#include <deque>
#include <map>
#include <unordered_map>

#include "core/base/limits.h"
#include "core/base/log.h"

namespace bramble {

using limits::kPinnedBytesMax;
using limits::kPinnedViewsMax;
using limits::kRingAgeUsMax;
using limits::kRingBytesMax;

struct WatchCache::Observation::Slot {
  Observer fn;
  bool dropped = false;
};
WatchCache::Observation::~Observation() { slot_->dropped = true; }

struct WatchCache::Topic {
  std::deque<EventRef> events;    // oldest first
  uint64_t dropped_revision = 0;  // of the newest event of this topic that the ring no longer holds
  std::vector<std::shared_ptr<Observation::Slot>> observers;
};

struct WatchCache::Parts {
  // The ring: which topic's oldest event is the next to go. What an event costs is the document that nothing but the ring
  // holds, the one before; the one after is in the tree, or is the `before` of a later event.
  struct RingItem {
    Topic* topic;
    size_t bytes;
    int64_t at_us;
  };
  struct Pin {
    CacheView view;
    int64_t at_us;
    uint64_t replaced_bytes;  // of replaced_bytes below when pinned: the difference is what the pin may hold alone
  };

  std::map<std::string, std::unique_ptr<Topic>, std::less<>> topics;
  std::deque<RingItem> ring;
  size_t ring_bytes = 0;
  std::deque<EventRef> by_revision;  // the same events over all topics, to go back in time
  uint64_t dropped_revision = 0;     // newest event that the ring no longer holds, of any topic
  std::deque<Pin> pins;
  uint64_t replaced_bytes = 0;  // of all documents ever replaced or deleted
  std::shared_ptr<Prepared::Table> prepared = std::make_shared<Prepared::Table>();
  size_t fresh = 0;  // newest events whose frames may be kept

  // A topic born late has lost nothing but what came before the start.
  Topic& topic(std::string_view prefix, uint64_t start_revision) {
    auto it = topics.find(prefix);
    if (it == topics.end()) {
      it = topics.emplace(std::string(prefix), std::make_unique<Topic>()).first;
      it->second->dropped_revision = start_revision;
    }
    return *it->second;
  }
  void drop_oldest() {
    RingItem& item = ring.front();
    item.topic->dropped_revision = dropped_revision = by_revision.front()->revision;
    item.topic->events.pop_front();
    by_revision.pop_front();
    ring_bytes -= item.bytes;
    ring.pop_front();
  }
  void trim(int64_t now_us) {
    while (!ring.empty() && (ring_bytes > kRingBytesMax || now_us - ring.front().at_us > kRingAgeUsMax)) drop_oldest();
    while (!pins.empty() && (now_us - pins.front().at_us > kRingAgeUsMax || pins.size() > kPinnedViewsMax ||
                             replaced_bytes - pins.front().replaced_bytes > kPinnedBytesMax))
      pins.pop_front();
  }
};

static size_t event_bytes(const CacheEvent& e) {
  constexpr size_t kOverhead = sizeof(CacheEvent) + sizeof(CacheEntry) + 64;
  return kOverhead + e.key().size() + (e.before ? e.before->document.memory_bytes() : 0);
}

WatchCache::WatchCache(const Clock& clock) : clock_(clock), parts_(std::make_unique<Parts>()) {}
WatchCache::~WatchCache() = default;

Status WatchCache::load(Store& store, Quarantine* quarantine) {
  TRY(store.load([this, quarantine](StoredValue v) {
    auto bytes = [&v] { return Quarantine::About{content_mark(*v.value), {}}; };
    Quarantine::Step step(quarantine, "store", v.key, bytes);
    if (!step.allowed()) {
      unreadable_.push_back(std::move(v.key));
      return;
    }
    auto document = Document::parse(v.value);
    if (!document.ok()) {
      log_error("cache: ", v.key, ": ", document.error().message(), "; the object is skipped, delete or repair it");
      unreadable_.push_back(std::move(v.key));
      return;
    }
    tree_.put(std::make_shared<const CacheEntry>(CacheEntry{std::move(v.key), std::move(*document), v.revision}));
  }));
  revision_ = start_revision_ = parts_->dropped_revision = store.revision();
  store_ = &store;
  store.on_commit([this](const std::vector<Commit>& commits) { commit(commits); });
  return ok();
}

bool WatchCache::may_be_lost(std::string_view key) const {
  if (store_ && store_->health().epoch_changed) return true;
  return std::any_of(unreadable_.begin(), unreadable_.end(), [key](const std::string& unreadable) {
    return key.ends_with('/') ? unreadable.starts_with(key) : unreadable == key;
  });
}

// --- the past

CacheView WatchCache::pin() {
  parts_->trim(clock_.monotonic_us());
  if (parts_->pins.empty() || parts_->pins.back().view.revision() != revision_)
    parts_->pins.push_back({view(), clock_.monotonic_us(), parts_->replaced_bytes});
  return view();
}

Result<CacheView> WatchCache::view_at(uint64_t revision) {
  if (revision == revision_) return view();
  if (revision > revision_)
    return Error(Code::kInvalidArgument, cat("resourceVersion ", revision, ": not reached yet, the newest is ", revision_));
  parts_->trim(clock_.monotonic_us());
  for (const auto& p : parts_->pins)
    if (p.view.revision() == revision) return p.view;
  if (revision < parts_->dropped_revision)
    return Error(Code::kGone, cat("resourceVersion ", revision, ": too old, the oldest kept is ", parts_->dropped_revision));
  CacheTree tree = tree_;
  for (auto it = parts_->by_revision.rbegin(); it != parts_->by_revision.rend() && (*it)->revision > revision; ++it) {
    if ((*it)->before)
      tree.put((*it)->before);
    else
      tree.erase((*it)->key());
  }
  return CacheView(std::move(tree), revision);
}

Result<WatchCache::Batch> WatchCache::events_after(uint64_t revision, std::string_view prefix, size_t max) const {
  std::string_view name = topic_of(prefix);
  CHECK(!name.empty(), "events_after: prefix without a topic: ", prefix);
  Batch out;
  out.cursor = std::max(revision, revision_);
  auto it = parts_->topics.find(name);
  uint64_t dropped = it == parts_->topics.end() ? start_revision_ : it->second->dropped_revision;
  if (revision < dropped)
    return Error(Code::kGone, cat("too old resource version: ", revision, " (", dropped, ")"));
  if (it == parts_->topics.end()) return out;
  const auto& events = it->second->events;
  auto at = std::upper_bound(events.begin(), events.end(), revision,
                             [](uint64_t r, const EventRef& e) { return r < e->revision; });
  for (; at != events.end(); ++at) {
    if (!std::string_view((*at)->key()).starts_with(prefix)) continue;
    if (out.events.size() == max) {
      out.more = true;
      out.cursor = out.events.empty() ? revision : out.events.back()->revision;
      break;
    }
    out.events.push_back(*at);
  }
  return out;
}

// --- news

std::unique_ptr<WatchCache::Observation> WatchCache::observe_topic(std::string_view topic, Observer fn) {
  CHECK(topic_of(topic) == topic && !topic.empty(), "observe_topic: not a topic: ", topic);
  auto slot = std::make_shared<Observation::Slot>(Observation::Slot{std::move(fn)});
  parts_->topic(topic, start_revision_).observers.push_back(slot);
  return std::unique_ptr<Observation>(new Observation(std::move(slot)));
}

// Observers may come and go while they are called: the list is walked by index over its length of now.
template <class Slots>
static void tell(Slots& slots, const std::vector<EventRef>& events) {
  std::erase_if(slots, [](const auto& s) { return s->dropped; });
  Slots now = slots;
  for (const auto& slot : now)
    if (!slot->dropped) slot->fn(events);
}

void WatchCache::commit(const std::vector<Commit>& commits) {
  Parts& p = *parts_;
  int64_t now_us = clock_.monotonic_us();
  for (size_t i = p.by_revision.size() - std::min(p.fresh, p.by_revision.size()); i < p.by_revision.size(); i++) {
    const CacheEvent& e = *p.by_revision[i];
    e.fresh_ = false;
    e.frames_.reset();
  }
  p.fresh = 0;

  std::map<Topic*, std::vector<EventRef>> by_topic;
  for (const Commit& c : commits) {
    CHECK(c.revision > revision_, "commit out of order: ", c.revision, " after ", revision_);
    EntryRef before = tree_.get(c.key), after;
    if (c.value) {
      Document document = document_of(c);
      if (document) after = std::make_shared<const CacheEntry>(CacheEntry{c.key, std::move(document), c.revision});
    }
    if (after)
      tree_.put(after);
    else
      tree_.erase(c.key);
    revision_ = c.revision;
    if (!before && !unreadable_.empty() && (after || !c.value)) std::erase(unreadable_, c.key);
    if (!before && !after) continue;  // one of unreadable() was deleted
    auto event = std::make_shared<const CacheEvent>(std::move(before), std::move(after), c.revision);
    Topic& topic = p.topic(topic_of(event->key()), start_revision_);
    size_t bytes = event_bytes(*event);
    p.replaced_bytes += event->before ? event->before->document.memory_bytes() : 0;
    p.ring_bytes += bytes;
    p.ring.push_back({&topic, bytes, now_us});
    p.by_revision.push_back(event);
    topic.events.push_back(event);
    by_topic[&topic].push_back(std::move(event));
    p.fresh++;
  }
  p.trim(now_us);

  for (auto& [topic, of_topic] : by_topic) tell(topic->observers, of_topic);
}

// --- writers

WatchCache::Prepared WatchCache::prepare(Document document) {
  const std::string* bytes = document.bytes().get();
  (*parts_->prepared)[bytes] = std::move(document);
  return Prepared(parts_->prepared, bytes);
}

void WatchCache::Prepared::forget() {
  if (auto table = table_.lock()) table->erase(bytes_);
  table_.reset();
}

WatchCache::Prepared& WatchCache::Prepared::operator=(Prepared&& o) noexcept {
  if (this != &o) {
    forget();
    table_ = std::move(o.table_);
    o.table_.reset();
    bytes_ = o.bytes_;
  }
  return *this;
}

Document WatchCache::document_of(const Commit& commit) {
  auto it = parts_->prepared->find(commit.value.get());
  if (it != parts_->prepared->end()) return it->second;
  auto parsed = Document::parse(commit.value);
  if (parsed.ok()) return std::move(parsed).value();
  log_error("cache: ", commit.key, ": ", parsed.error().message(), "; the object is not shown");
  unreadable_.push_back(commit.key);
  return {};
}

WatchCache::Stats WatchCache::stats() const {
  return {tree_.size(), parts_->ring.size(), parts_->ring_bytes, parts_->pins.size(), parts_->topics.size()};
}

std::string_view WatchCache::topic_of(std::string_view key) {
  size_t at = 0;
  for (int slashes = 0; slashes < 4; slashes++) {
    at = key.find('/', at);
    if (at == std::string_view::npos) return {};
    at++;
  }
  return key.substr(0, at);
}

}  // namespace bramble

#include "core/apiserver/fairness.h"

#include <algorithm>
#include <cmath>

#include "core/apiserver/flow_objects.h"
#include "core/apiserver/refusals.h"
#include "core/apiserver/request_metrics.h"
#include "core/base/limits.h"

namespace bramble {

namespace {

constexpr double kWaitSeconds[] = {0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30};

}  // namespace

// What other threads touch when they let go of a seat.
struct Fairness::Shared {
  std::atomic<size_t> waiting{0};
  std::atomic<bool> posted{false};
  Loop::Remote loop;       // set once, before anybody waits
  bool loop_known = false;
  Fairness* owner = nullptr;  // owner's thread; null: gone
};

struct Fairness::Level {
  explicit Level(PriorityLevel c) : config(std::move(c)) {}
  struct Queue {
    std::deque<std::shared_ptr<Waiting>> waiting;
    uint64_t served = 0;  // virtual time: the seats that it was given, or that others were before it came
  };
  PriorityLevel config;
  size_t nominal = 0, kept = 0, most = 0, widest = 1;  // seats; kept: never lent
  std::atomic<size_t> in_use{0};
  std::map<int64_t, Queue> queues;  // that are not empty, by number
  uint64_t served = 0;              // virtual time of the level
  size_t waiting = 0;
  Refusals refusals;
};

class Fairness::Seat {
 public:
  Seat(std::shared_ptr<Shared> shared, std::shared_ptr<Level> level, size_t width)
      : shared_(std::move(shared)), level_(std::move(level)), width_(width) {
    level_->in_use += width_;
  }
  // Either the one who begins to wait sees the seat free, or this sees it waiting.
  ~Seat() {
    level_->in_use -= width_;
    if (shared_->waiting == 0 || shared_->posted.exchange(true)) return;
    shared_->loop.post([shared = shared_] {
      shared->posted = false;
      if (shared->owner) shared->owner->dispatch();
    });
  }
  Seat(const Seat&) = delete;

 private:
  std::shared_ptr<Shared> shared_;
  std::shared_ptr<Level> level_;
  size_t width_;
};

struct Fairness::Waiting {
  std::shared_ptr<Level> level;
  Counts* counts = nullptr;
  size_t width = 1;
  int64_t queue = 0;
  int64_t since_us = 0;
  Event* gone = nullptr;  // of the request, which outlives the wait
  bool queued = false;
  std::shared_ptr<Seat> seat;
  Event over;
};

Fairness::Counts::Counts() : wait_seconds(kWaitSeconds) {}

Fairness::Fairness(Registry& registry, size_t seats)
    : registry_(registry), seats_(seats), counts_(limits::kMetricSeriesMax, [] { return Counts(); }), shared_(std::make_shared<Shared>()) {
  shared_->owner = this;
  auto changed = [this](const std::vector<EventRef>&) { changed_ = true; };
  WatchCache& cache = registry.cache();
  schema_changes_ = cache.observe_topic(WatchCache::topic_of(registry_prefix(flow_schema_kind(), "")), changed);
  level_changes_ = cache.observe_topic(WatchCache::topic_of(registry_prefix(priority_level_kind(), "")), changed);
}

Fairness::~Fairness() { shared_->owner = nullptr; }

std::shared_ptr<Fairness::Level> Fairness::level_for(const PriorityLevel& wanted) {
  auto there = levels_.find(wanted.name);
  if (there == levels_.end()) return std::make_shared<Level>(wanted);
  PriorityLevel& now = there->second->config;
  bool same_queues = now.queues == wanted.queues && now.hand_size == wanted.hand_size && now.exempt == wanted.exempt;
  if (!same_queues && there->second->waiting > 0) {  // the old one's queues drain
    auto fresh = std::make_shared<Level>(wanted);
    fresh->refusals = there->second->refusals;
    return fresh;
  }
  now = wanted;
  return there->second;
}

// What the objects say now. A level that is gone, or has other queues, lets those who wait go on: they are few.
void Fairness::reload() {
  changed_ = false;
  std::map<std::string, std::shared_ptr<Level>, std::less<>> levels;
  schemas_.clear();
  CacheView view = registry_.cache().view();
  auto each = [&view](const Kind& kind, const std::function<void(const Document&)>& fn) {
    view.range(registry_prefix(kind, ""), "", 0, [&](const EntryRef& entry) {
      fn(shown_form(kind, entry->document));
      return true;
    });
  };
  auto add_level = [&](const Document& object) {
    auto level = PriorityLevel::of(object);
    if (level && !levels.contains(level->name)) levels.emplace(level->name, level_for(*level));
  };
  auto add_schema = [&](const Document& object) {
    FlowSchemaRules schema = FlowSchemaRules::of(object);
    bool there = std::any_of(schemas_.begin(), schemas_.end(), [&](const Entry& e) { return e.rules.name == schema.name; });
    auto level = levels.find(schema.level);
    if (there || level == levels.end()) return;
    Counts* counts = &counts_of(schema);
    schemas_.push_back({std::move(schema), level->second, counts});
  };
  // The mandatory ones work even while they are missing.
  const std::vector<FlowObject> defaults = default_flow_objects();
  auto add_missing = [&defaults](bool schemas, const std::function<void(const Document&)>& add) {
    for (const FlowObject& object : defaults) {
      if (object.mandatory && object.is_schema == schemas) add(object.document);
    }
  };
  each(priority_level_kind(), add_level);
  add_missing(false, add_level);
  each(flow_schema_kind(), add_schema);
  add_missing(true, add_schema);
  std::sort(schemas_.begin(), schemas_.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.rules.precedence, a.rules.name) < std::tie(b.rules.precedence, b.rules.name);
  });
  levels_.swap(levels);
  share_out();
  for (const auto& [name, old] : levels) {
    auto now = levels_.find(name);
    if (now != levels_.end() && now->second == old) continue;
    old->kept = old->most = old->nominal = seats_ + limits::kFlowWaitingMax;
    while (dispatch_one(old, true)) {
    }
  }
}

void Fairness::share_out() {
  double shares = 0;
  for (const auto& [name, level] : levels_) shares += static_cast<double>(level->config.shares);
  for (const auto& [name, level] : levels_) {
    const PriorityLevel& c = level->config;
    double nominal = shares > 0 ? std::ceil(static_cast<double>(seats_) * static_cast<double>(c.shares) / shares) : 0;
    auto percent = [nominal](int64_t p) { return static_cast<size_t>(std::round(nominal * static_cast<double>(p) / 100)); };
    level->nominal = static_cast<size_t>(nominal);
    level->kept = level->nominal - percent(c.lendable_percent);
    level->most = level->nominal + (c.borrowing_limit_percent ? percent(*c.borrowing_limit_percent) : seats_);
    double widest = std::ceil(nominal * limits::kFlowSeatsOfLevel);
    if (c.hand_size > 0) widest = std::min(widest, std::floor(nominal / static_cast<double>(c.hand_size)));
    level->widest = std::clamp<size_t>(static_cast<size_t>(widest), 1, limits::kFlowListSeatsMax);
  }
}

const Fairness::Entry& Fairness::classify(const RequestInfo& info, const Identity& user) const {
  for (const Entry& entry : schemas_) {
    if (entry.rules.matches(user, info)) return entry;
  }
  // Everybody is in one of the groups that catch-all names, but for who is made by impersonation.
  for (const Entry& entry : schemas_) {
    if (entry.rules.name == "catch-all") return entry;
  }
  return schemas_.back();
}

// A list, and a watch that begins with one, takes a seat for each hundred objects that it may have to look at.
size_t Fairness::width_of(const Level& level, const RequestInfo& info) const {
  if (!info.resource_request || (info.verb != "list" && info.verb != "watch") || !info.name.empty()) return 1;
  if (info.verb == "watch") {
    std::string_view version = info.query.get("resourceVersion");
    if (!info.query.flag("sendInitialEvents") && !version.empty() && version != "0") return 1;
  }
  const Kind* kind = find_kind(info.group, info.version, info.resource);
  if (kind == nullptr) return 1;
  size_t objects = registry_.cache().view().count(registry_prefix(*kind, info.ns));
  int64_t limit = parse_int64(info.query.get("limit")).value_or(0);
  if (limit > 0) objects = std::min(objects, static_cast<size_t>(limit));
  return std::clamp<size_t>((objects + limits::kFlowObjectsPerSeat - 1) / limits::kFlowObjectsPerSeat, 1, level.widest);
}

bool Fairness::has_room(const Level& level, size_t width) const {
  const size_t used = level.in_use;
  if (used == 0 || used + width <= level.kept) return true;
  if (used + width > level.most) return false;
  size_t pool = 0, taken = 0;
  for (const auto& [name, other] : levels_) {
    pool += other->nominal - other->kept;
    size_t in_use = other.get() == &level ? used + width : other->in_use.load();
    if (!other->config.exempt && in_use > other->kept) taken += in_use - other->kept;
  }
  return taken <= pool;
}

std::shared_ptr<Fairness::Seat> Fairness::take(const std::shared_ptr<Level>& level, size_t width) {
  return std::make_shared<Seat>(shared_, level, width);
}

Fairness::Counts& Fairness::counts_of(const FlowSchemaRules& schema) {
  std::string key = cat(schema.name, "\n", schema.level);
  return counts_.find(key, [&] { return label_text({{"flow_schema", schema.name}, {"priority_level", schema.level}}); });
}

Fairness::Arrival Fairness::arrive(const RequestInfo& info, const Identity& user, Event& gone) {
  Arrival out;
  if (is_long_running(info) && info.verb != "watch") return out;
  if (changed_) reload();
  const Entry& entry = classify(info, user);
  const std::shared_ptr<Level>& level = entry.level;
  Counts& counts = *entry.counts;
  out.schema_uid = entry.rules.uid, out.level_uid = level->config.uid;
  out.level = level;
  counts.dispatched++;
  if (level->config.exempt) return out;
  size_t width = width_of(*level, info);
  if (level->waiting == 0 && has_room(*level, width)) {
    out.seat = take(level, width);
    return out;
  }
  counts.dispatched--;
  out.what = Arrival::What::kRefused;
  if (level->config.queues == 0) {
    counts.concurrency_limit++;
    return out;
  }
  auto waiting = std::make_shared<Waiting>();
  waiting->level = level;
  waiting->counts = &counts;
  waiting->width = width;
  waiting->since_us = registry_.clock().monotonic_us();
  waiting->gone = &gone;
  auto hand = deal_hand(flow_hash(entry.rules.name, entry.rules.flow_of(user, info)), level->config.queues, level->config.hand_size);
  auto length = [&level](int64_t queue) {
    auto it = level->queues.find(queue);
    return it == level->queues.end() ? size_t(0) : it->second.waiting.size();
  };
  waiting->queue = *std::min_element(hand.begin(), hand.end(), [&](int64_t a, int64_t b) { return length(a) < length(b); });
  if (length(waiting->queue) >= static_cast<size_t>(level->config.queue_length) || shared_->waiting >= limits::kFlowWaitingMax) {
    counts.queue_full++;
    return out;
  }
  if (!shared_->loop_known) {
    shared_->loop = Loop::current().remote();
    shared_->loop_known = true;
  }
  auto [queue, fresh] = level->queues.try_emplace(waiting->queue);
  if (fresh) queue->second.served = level->served;
  queue->second.waiting.push_back(waiting);
  waiting->queued = true;
  level->waiting++;
  shared_->waiting++;
  counts.in_queue++;
  out.what = Arrival::What::kWait;
  out.waiting = std::move(waiting);
  dispatch();  // a seat may have become free before anybody knew of this one
  return out;
}

// The coroutine that waits may be dropped: then nobody else must find it in its queue.
Task<std::shared_ptr<Fairness::Seat>> Fairness::wait(std::shared_ptr<Waiting> waiting) {
  struct Leave {
    Fairness* fairness;
    std::shared_ptr<Waiting> waiting;
    ~Leave() { fairness->end_waiting(*waiting); }
  } leave{this, waiting};
  Timer timer([this, waiting] {
    if (!waiting->queued) return;
    waiting->counts->timed_out++;
    end_waiting(*waiting);
    Loop::current().post([waiting] { waiting->over.set(); });  // not from within the timer, which dies of it
  });
  timer.arm_ms(limits::kFlowWaitMs);
  co_await waiting->over.wait();
  waiting->counts->wait_seconds.observe(static_cast<double>(registry_.clock().monotonic_us() - waiting->since_us) / 1e6);
  co_return std::move(waiting->seat);
}

void Fairness::end_waiting(Waiting& waiting) {
  if (!waiting.queued) return;
  waiting.queued = false;
  auto queue = waiting.level->queues.find(waiting.queue);
  std::erase_if(queue->second.waiting, [&](const std::shared_ptr<Waiting>& w) { return w.get() == &waiting; });
  if (queue->second.waiting.empty()) waiting.level->queues.erase(queue);
  waiting.level->waiting--;
  shared_->waiting--;
  waiting.counts->in_queue--;
}

int64_t Fairness::retry_after_s(const Arrival& refused) {
  if (!refused.level) return 1;
  return refused.level->refusals.refuse(registry_.clock().monotonic_us() / 1000000);
}

// The next of a level, of the queue that has had the least; false when nobody waits or there is no room.
bool Fairness::dispatch_one(const std::shared_ptr<Level>& level, bool borrow) {
  if (level->waiting == 0) return false;
  auto queue = std::min_element(level->queues.begin(), level->queues.end(),
                                [](const auto& a, const auto& b) { return a.second.served < b.second.served; });
  std::shared_ptr<Waiting> next = queue->second.waiting.front();
  if (!borrow && level->in_use > 0 && level->in_use + next->width > level->nominal) return false;
  bool cancelled = next->gone->is_set();
  if (!cancelled && !has_room(*level, next->width)) return false;
  level->served = queue->second.served;
  queue->second.served += next->width;
  end_waiting(*next);
  if (cancelled) {
    next->counts->cancelled++;
  } else {
    next->counts->dispatched++;
    next->seat = take(level, next->width);
  }
  Loop::current().post([next] { next->over.set(); });  // not here: the caller is in the middle of something
  return true;
}

void Fairness::dispatch() {
  for (bool borrow : {false, true}) {
    for (bool more = true; more;) {
      more = false;
      for (const auto& [name, level] : levels_) more = dispatch_one(level, borrow) || more;
    }
  }
}

void Fairness::print_metrics(MetricText& out) const {
  out.family("apiserver_flowcontrol_nominal_limit_seats", "gauge", "BETA", "Nominal number of execution seats configured for each priority level");
  for (const auto& [name, level] : levels_) out.value(label_text({{"priority_level", name}}), static_cast<double>(level->nominal));
  out.family("apiserver_flowcontrol_current_limit_seats", "gauge", "ALPHA", "current derived number of execution seats available to each priority level");
  for (const auto& [name, level] : levels_) out.value(label_text({{"priority_level", name}}), static_cast<double>(std::min(level->most, seats_)));
  counts_.each([&](const std::string& labels, const Counts& c) {
    out.family("apiserver_flowcontrol_dispatched_requests_total", "counter", "BETA",
               "Number of requests executed by API Priority and Fairness subsystem");
    out.value(labels, static_cast<double>(c.dispatched));
    out.family("apiserver_flowcontrol_current_inqueue_requests", "gauge", "BETA",
               "Number of requests currently pending in queues of the API Priority and Fairness subsystem");
    out.value(labels, static_cast<double>(c.in_queue));
    out.family("apiserver_flowcontrol_rejected_requests_total", "counter", "BETA",
               "Number of requests rejected by API Priority and Fairness subsystem");
    auto rejected = [&](std::string_view reason, uint64_t count) {
      std::string with_reason = cat(labels.substr(0, labels.size() - 1), ",reason=\"", reason, "\"}");
      if (count > 0) out.value(with_reason, static_cast<double>(count));
    };
    rejected("cancelled", c.cancelled);
    rejected("concurrency-limit", c.concurrency_limit);
    rejected("queue-full", c.queue_full);
    rejected("time-out", c.timed_out);
    out.family("apiserver_flowcontrol_request_wait_duration_seconds", "histogram", "BETA", "Length of time a request spent waiting in its queue");
    if (c.wait_seconds.count() > 0) out.histogram(labels, c.wait_seconds);
  });
}

}  // namespace bramble

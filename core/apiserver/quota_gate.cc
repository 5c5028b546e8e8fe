#include "core/apiserver/quota_gate.h"

#include <algorithm>
#include <deque>
#include <map>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "core/registry/api_status.h"
#include "core/registry/managed_fields.h"

namespace bramble {

namespace {

using Taken = std::map<std::string, ResourceAmounts, std::less<>>;  // by the quota's uid

const Kind& quotas_kind() {
  static const Kind& kind = *find_kind("", "v1", "resourcequotas");
  return kind;
}

ResourceAmounts minus(ResourceAmounts from, const ResourceAmounts& less) {
  for (const auto& [name, amount] : less) {
    auto at = from.find(name);
    if (at == from.end()) continue;
    at->second = at->second - amount;
    if (at->second.negative()) at->second = Quantity();
  }
  return from;
}

// The quota with this much used.
Result<Builder> with_used(Value current, const ResourceAmounts& used, const std::string& now) {
  Builder b(current);
  Mut list = b.root().object("status").object("used");
  list.clear();
  write_amounts(list, used);
  const Document next = b.snapshot();
  track_update(TrackedType::of(quotas_kind(), "status"), {"kube-apiserver", "status", now}, current, next, b.root());
  return b;
}

}  // namespace

struct QuotaGate::Core : std::enable_shared_from_this<QuotaGate::Core> {
  explicit Core(Registry& r) : registry(r) {}

  struct Waiter {
    const Kind* kind;
    std::string subresource;
    Document object, old;
    Taken taken;
    int attempts = 0;
    std::optional<Error> error;
    std::shared_ptr<Charge> charge;
    Event answered;
  };
  using WaiterRef = std::shared_ptr<Waiter>;
  struct Room {  // a namespace's
    bool at_work = false;
    std::deque<WaiterRef> waiting;
    std::vector<Taken> given_back;
  };

  class QuotaCharge final : public Charge {
   public:
    QuotaCharge(std::weak_ptr<Core> core, std::string ns, std::string key, Taken taken)
        : core_(std::move(core)), ns_(std::move(ns)), key_(std::move(key)), taken_(std::move(taken)) {}
    ~QuotaCharge() override {
      // Inside the store's own steps perhaps: what follows waits for the loop's next turn.
      auto core = core_.lock();
      if (!core) return;
      EntryRef entry = made_at_ != 0 ? core->registry.cache().get(key_) : nullptr;
      const bool done = entry && entry->revision >= made_at_;
      Loop::current().post([weak = core_, ns = ns_, taken = taken_, done] {
        if (auto c = weak.lock()) c->settled(ns, taken, done);
      });
    }
    void made_at(uint64_t revision) override { made_at_ = revision; }

   private:
    std::weak_ptr<Core> core_;
    std::string ns_, key_;
    Taken taken_;
    uint64_t made_at_ = 0;
  };

  std::vector<QuotaState> states(const std::string& ns) const {
    std::vector<QuotaState> out;
    registry.cache().view().range(registry_prefix(quotas_kind(), ns), "", 0, [&](const EntryRef& entry) {
      out.emplace_back(entry->document);
      return true;
    });
    return out;
  }

  Result<Taken> take(const std::vector<QuotaState>& quotas, const Kind* kind, const std::string& subresource, const Document& object, const Document& old) const {
    QuotaWrite write;
    write.kind = kind, write.subresource = subresource, write.name = name_of(object);
    write.object = object.root(), write.old = old.root();
    write.now_us = registry.clock().wall_us();
    TRY_ASSIGN(std::vector<ResourceAmounts> charges, quota_charges(quotas, write));
    Taken taken;
    for (size_t i = 0; i < quotas.size(); ++i) {
      if (!charges[i].empty()) taken[std::string(uid_of(quotas[i].object))] = std::move(charges[i]);
    }
    return taken;
  }

  void mark(const Taken& taken, int by) {
    for (const auto& [uid, amounts] : taken) {
      auto at = under_way.try_emplace(uid, 0).first;
      at->second += by;
      if (at->second == 0) under_way.erase(at);
    }
  }

  void settled(const std::string& ns, const Taken& taken, bool done) {
    if (done) return mark(taken, -1);
    rooms[ns].given_back.push_back(taken);
    work(ns);
  }

  void work(const std::string& ns) {
    Room& room = rooms[ns];
    if (std::exchange(room.at_work, true)) return;
    tasks.start(run(ns));
  }

  // One round: all that waits is weighed, then each quota that changes is written once.
  Task<void> run(std::string ns) {
    for (;;) {
      Room& room = rooms[ns];
      if (room.waiting.empty() && room.given_back.empty()) break;
      std::deque<WaiterRef> round = std::exchange(room.waiting, {});
      std::vector<Taken> returned = std::exchange(room.given_back, {});
      std::vector<QuotaState> quotas = states(ns);
      for (const Taken& t : returned) {
        for (QuotaState& q : quotas) {
          if (auto at = t.find(uid_of(q.object)); at != t.end()) q.used = minus(std::move(q.used), at->second);
        }
      }
      for (const WaiterRef& w : round) weigh(quotas, *w);
      std::map<std::string, Error> failed;
      for (const QuotaState& q : quotas) {
        if (same_amounts(q.used, resource_amounts(q.object["status"]["used"]))) continue;
        auto writing = write_used(ns, q);
        auto written = co_await writing;
        if (!written.ok()) failed.emplace(uid_of(q.object), written.error());
      }
      finish_returns(ns, returned, failed);
      for (const WaiterRef& w : round) finish(ns, w, failed);
    }
    rooms.erase(ns);
  }

  // Adds what it takes to the running sums, unless it is refused.
  void weigh(std::vector<QuotaState>& quotas, Waiter& w) {
    auto taken = take(quotas, w.kind, w.subresource, w.object, w.old);
    if (!taken.ok()) {
      w.error = taken.error();
      return;
    }
    w.taken = std::move(*taken);
    for (QuotaState& q : quotas) {
      if (auto at = w.taken.find(uid_of(q.object)); at != w.taken.end()) add_amounts(q.used, at->second);
    }
    mark(w.taken, 1);
  }

  // kConflict when the quota is another one than was weighed.
  Task<Status> write_used(std::string ns, QuotaState quota) {
    WriteRequest request;
    request.kind = &quotas_kind();
    request.ns = ns, request.name = quota.name;
    std::string now = registry.clock().now_rfc3339();
    ChangeFn change = [quota, now](Value current) -> Result<Builder> {
      if (meta(current, "resourceVersion") != version_of(quota.object)) return api_conflict({"", "resourcequotas"}, quota.name, kModifiedText);
      return with_used(current, quota.used, now);
    };
    auto written = co_await registry.update(request, UpdatePart::kStatus, change);
    if (written.ok() || written.error().code() == Code::kNotFound) co_return ok();  // a quota that is gone binds nobody
    co_return written.error();
  }

  void finish_returns(const std::string& ns, const std::vector<Taken>& returned, const std::map<std::string, Error>& failed) {
    for (const Taken& t : returned) {
      Taken again;
      for (const auto& [uid, amounts] : t) {
        auto at = failed.find(uid);
        if (at == failed.end()) continue;
        if (at->second.code() == Code::kConflict) again[uid] = amounts;
        else log_warning("quota in ", ns, ": ", at->second.message(), "; it counts more than there is until its next change");
      }
      Taken over = t;
      for (const auto& [uid, amounts] : again) over.erase(uid);
      mark(over, -1);
      if (!again.empty()) rooms[ns].given_back.push_back(again);
    }
  }

  void finish(const std::string& ns, const WaiterRef& w, const std::map<std::string, Error>& failed) {
    std::optional<Error> worst;
    Taken written = w->taken, unwritten;
    for (const auto& [uid, amounts] : w->taken) {
      auto at = failed.find(uid);
      if (at == failed.end()) continue;
      if (!worst || at->second.code() != Code::kConflict) worst = at->second;
      unwritten[uid] = amounts;
      written.erase(uid);
    }
    if (worst) {
      mark(unwritten, -1);
      if (!written.empty()) rooms[ns].given_back.push_back(written);
      w->taken.clear();
      if (worst->code() == Code::kConflict && ++w->attempts < limits::kWriteAttempts) return rooms[ns].waiting.push_back(w);
      w->error = *worst;
    } else if (!w->taken.empty()) {
      // Goes with the last who knows it: whoever asked may be gone already.
      w->charge = std::make_shared<QuotaCharge>(weak_from_this(), ns, registry_key(*w->kind, ns, name_of(w->object)), w->taken);
    }
    w->answered.set();
  }

  Registry& registry;
  std::map<std::string, Room> rooms;
  std::map<std::string, int, std::less<>> under_way;  // charges by the quota's uid
  TaskGroup tasks;
};

QuotaGate::QuotaGate(Registry& registry) : core_(std::make_shared<Core>(registry)) {}
QuotaGate::~QuotaGate() { core_->tasks.cancel_all(); }

bool QuotaGate::guards(const Kind& kind, std::string_view ns) const {
  if (!kind.namespaced || ns.empty() || !kind.stored) return false;
  return core_->registry.cache().view().count(registry_prefix(quotas_kind(), ns)) != 0;
}

Task<Result<std::shared_ptr<Charge>>> QuotaGate::charge(const Kind* kind, std::string ns, std::string subresource, Document object, Document old,
                                                        bool only_look) {
  std::shared_ptr<Core> core = core_;
  std::shared_ptr<Charge> none;
  const std::optional<QuotaEvaluator> evaluator = QuotaEvaluator::of(*kind);
  if (!evaluator || !evaluator->handles(!old, subresource)) co_return none;
  // First by itself: most refusals and all that takes nothing need no turn in the queue.
  auto taken = core->take(core->states(ns), kind, subresource, object, old);
  if (!taken.ok()) co_return taken.error();
  if (only_look || taken->empty()) co_return none;
  auto waiter = std::make_shared<Core::Waiter>();
  waiter->kind = kind, waiter->subresource = std::move(subresource);
  waiter->object = std::move(object), waiter->old = std::move(old);
  core->rooms[ns].waiting.push_back(waiter);
  core->work(ns);
  co_await waiter->answered.wait();
  if (waiter->error) co_return *waiter->error;
  co_return std::move(waiter->charge);
}

bool QuotaGate::busy(std::string_view quota_uid) const { return core_->under_way.count(quota_uid) != 0; }

}  // namespace bramble

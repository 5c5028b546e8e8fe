// ResourceQuota controller: status.hard follows spec.hard, status.used is what there is. Admission adds what writes take
// (core/apiserver/quota_gate.h); this counts anew when a quota is made or changed, when something is deleted or takes less, when
// a pod is overdue, and at start, because a crash may have left more charged than was made.
// Watches: resourcequotas and all that they count. Writes: their status. Never: while admission has charges under way (its
// refusal is a conflict, and the key is tried again).
// Upstream: pkg/controller/resourcequota.
#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"
#include "core/resources/quota_usage.h"

namespace bramble {

namespace {

const ResourceId kQuotas{"", "v1", "resourcequotas"};

ResourceId id_of(const Kind& kind) { return {std::string(kind.group), std::string(kind.version), std::string(kind.resource)}; }

const std::vector<ResourceId>& counted() {
  static const std::vector<ResourceId> ids = [] {
    std::vector<ResourceId> out;
    for (const Kind* kind : quota_kinds()) out.push_back(id_of(*kind));
    return out;
  }();
  return ids;
}

bool same_names(Value a, Value b) {
  if (a.size() != b.size()) return false;
  for (auto [name, amount] : a.members()) {
    if (!b.has(name)) return false;
  }
  return true;
}

// Admission's own changes of status.used are what it charged.
bool wants_a_look(const Change& change) {
  if (!change.before || !change.after) return true;
  Value before = change.before.root(), after = change.after.root();
  return !equal(before["spec"], after["spec"]) || !equal(before["status"]["hard"], after["status"]["hard"]) || !same_names(before["status"]["used"], after["status"]["used"]);
}

bool has_quotas(const Snapshot& snapshot, std::string_view ns) {
  bool any = false;
  snapshot.each(kQuotas, ns, [&](const Document&) {
    any = true;
    return false;
  });
  return any;
}

// The quotas that count such objects.
void concerned(const Snapshot& snapshot, const QuotaEvaluator& evaluator, std::string_view ns, const KeySink& sink) {
  snapshot.each(kQuotas, ns, [&](const Document& quota) {
    for (auto [name, amount] : quota["spec"]["hard"].members()) {
      if (!evaluator.counts_as(name)) continue;
      sink(key_of(quota));
      break;
    }
    return true;
  });
}

// What only takes more was charged when it came.
void keys(const Snapshot& snapshot, const Change& change, const KeySink& sink) {
  if (change.resource == kQuotas) {
    const Document& quota = change.after ? change.after : change.before;
    if (change.after && wants_a_look(change)) sink(key_of(quota));
  }
  if (!change.before || !has_quotas(snapshot, namespace_of(change.before))) return;
  const Kind* kind = find_kind(change.resource.group, change.resource.version, change.resource.resource);
  std::optional<QuotaEvaluator> evaluator = kind ? QuotaEvaluator::of(*kind) : std::nullopt;
  if (!evaluator) return;
  if (change.after && !evaluator->frees(change.before.root(), change.after.root(), 0)) return;
  concerned(snapshot, *evaluator, namespace_of(change.before), sink);
}

Plan reconcile(const Snapshot& snapshot, const ObjectKey& key, const Moment& now) {
  Plan plan;
  Document quota = snapshot.get(kQuotas, key.ns, key.name);
  if (!quota) return plan;
  EachOfKind each = [&](const Kind& kind, const std::function<void(Value)>& fn) {
    snapshot.each(id_of(kind), key.ns, [&](const Document& object) {
      fn(object.root());
      return true;
    });
  };
  QuotaSum sum = quota_sum(quota.root(), each, now.wall_us);
  if (sum.changes_us) plan.requeue_after_ms = (*sum.changes_us - now.wall_us) / 1000 + 1;
  const ResourceAmounts hard = resource_amounts(quota["spec"]["hard"]);
  ResourceAmounts used = only_named(resource_amounts(quota["status"]["used"]), hard);  // what nobody here counts stays
  for (const auto& [name, amount] : sum.used) used[name] = amount;
  Value status = quota["status"];
  const bool named = same_names(status["hard"], quota["spec"]["hard"]) && status["used"].size() == used.size();
  if (named && equal(status["hard"], quota["spec"]["hard"]) && same_amounts(resource_amounts(status["used"]), used)) return plan;
  Builder b(quota.root());
  Mut next = b.root().object("status");
  next.set("hard", quota["spec"]["hard"]);
  Mut list = next.object("used");
  list.clear();
  write_amounts(list, used);
  plan.writes.push_back(update_write(kQuotas, b.finish(), "status"));
  return plan;
}

Document quota_of(const Snapshot& snapshot, const ObjectKey& key) { return snapshot.get(kQuotas, key.ns, key.name); }

}  // namespace

Controller resource_quota_controller() {
  return {"resourcequota", "resourcequota-controller", "resourcequota-controller", counted(), {}, keys, reconcile, {}, quota_of};
}

}  // namespace bramble

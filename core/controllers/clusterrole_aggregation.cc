// ClusterRole aggregation: a ClusterRole with an aggregationRule holds the rules of all ClusterRoles that it selects by label.
// Watches: clusterroles. Writes: rules of those roles. Never: a role without an aggregationRule.
// Upstream: pkg/controller/clusterroleaggregation.
#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"
#include "core/resources/selector.h"

namespace bramble {

namespace {

const ResourceId kClusterRoles{"rbac.authorization.k8s.io", "v1", "clusterroles"};

// What one role is may concern every role that selects.
void keys(const Snapshot& snapshot, const Change&, const KeySink& sink) {
  snapshot.each(kClusterRoles, "", [&](const Document& role) {
    if (role["aggregationRule"].is_object()) sink(key_of(role));
    return true;
  });
}

bool lists(Mut rules, Value rule) {
  for (Mut r : rules.items()) {
    if (equal(r, rule)) return true;
  }
  return false;
}

// The rules of the roles that the selectors name, in order of selectors and names, each once.
void gather(const Snapshot& snapshot, Value role, Mut rules) {
  for (Value s : role["aggregationRule"]["clusterRoleSelectors"].items()) {
    Result<LabelSelector> selector = LabelSelector::from_object(s);
    if (!selector.ok()) continue;  // validation lets none through
    snapshot.each(kClusterRoles, "", [&](const Document& other) {
      if (name_of(other) == meta(role, "name") || !selector->matches(other["metadata"]["labels"])) return true;
      for (Value rule : other["rules"].items()) {
        if (!lists(rules, rule)) rules.append(rule);
      }
      return true;
    });
  }
}

Plan reconcile(const Snapshot& snapshot, const ObjectKey& key, const Moment&) {
  Plan plan;
  Document role = snapshot.get(kClusterRoles, "", key.name);
  if (!role || !role["aggregationRule"].is_object()) return plan;
  Builder b(role.root());
  Mut rules = b.root().array("rules");
  rules.clear();
  gather(snapshot, role.root(), rules);
  bool same = rules.size() == 0 ? role["rules"].size() == 0 : equal(rules, role["rules"]);
  if (!same) plan.writes.push_back(update_write(kClusterRoles, b.finish()));
  return plan;
}

}  // namespace

Controller clusterrole_aggregation_controller() {
  return {"clusterrole-aggregation", "clusterrole-aggregation-controller", "clusterrole-aggregation-controller", {kClusterRoles}, {}, keys, reconcile, {}};
}

}  // namespace bramble

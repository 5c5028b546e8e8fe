// The workloads of extensions/v1beta1, apps/v1beta1 and apps/v1beta2: the rules of apps/v1 with their own defaults, selectors that
// the oldest two may change, deletes that let dependents go, and a warning. workload_versions.h tells how they become apps/v1.
#include <climits>

#include "core/resources/defaulting.h"
#include "core/resources/kinds.h"
#include "core/resources/workload_rules.h"
#include "core/resources/workload_versions.h"

namespace bramble {
namespace {

// group, version, resource, kind, has rollbackTo, has templateGeneration
constexpr OldWorkload kExtDaemonSet{"extensions", "v1beta1", "daemonsets", "DaemonSet", false, true},
    kExtDeployment{"extensions", "v1beta1", "deployments", "Deployment", true},
    kExtReplicaSet{"extensions", "v1beta1", "replicasets", "ReplicaSet"},
    kBeta1Revision{"apps", "v1beta1", "controllerrevisions", "ControllerRevision"},
    kBeta1Deployment{"apps", "v1beta1", "deployments", "Deployment", true},
    kBeta1StatefulSet{"apps", "v1beta1", "statefulsets", "StatefulSet"},
    kBeta2Revision{"apps", "v1beta2", "controllerrevisions", "ControllerRevision"},
    kBeta2DaemonSet{"apps", "v1beta2", "daemonsets", "DaemonSet"},
    kBeta2Deployment{"apps", "v1beta2", "deployments", "Deployment"},
    kBeta2ReplicaSet{"apps", "v1beta2", "replicasets", "ReplicaSet"},
    kBeta2StatefulSet{"apps", "v1beta2", "statefulsets", "StatefulSet"};

constexpr int64_t kUnlimited = INT32_MAX;  // means the same as nothing at all

// Labels and selector that a manifest leaves to those of its pods.
void default_from_template(Mut o) {
  Mut labels = o["spec"]["template"]["metadata"]["labels"];
  if (!labels.is_object()) return;
  if (!o["spec"]["selector"].is_object()) o["spec"].object("selector").set("matchLabels", labels);
  if (o["metadata"]["labels"].size() == 0) o.object("metadata").set("labels", labels);
}

void default_ext_deployment(Mut o) {
  default_from_template(o);
  Mut spec = o.object("spec"), strategy = spec.object("strategy");
  default_text(strategy, "type", "RollingUpdate");
  if (strategy["type"].str() == "RollingUpdate" || strategy["rollingUpdate"].is_object()) {
    default_int(strategy.object("rollingUpdate"), "maxUnavailable", 1);
    default_int(strategy.object("rollingUpdate"), "maxSurge", 1);
  }
  default_int(spec, "progressDeadlineSeconds", kUnlimited);
  default_int(spec, "revisionHistoryLimit", kUnlimited);
  default_deployment(o);
}

void default_ext_daemonset(Mut o) {
  default_from_template(o);
  default_text(o.object("spec").object("updateStrategy"), "type", "OnDelete");
  const bool annotated = o["metadata"]["annotations"].is_object(), said = o["metadata"]["annotations"].has(kTemplateGeneration);
  default_daemonset(o);
  // It has a field for this.
  if (!said) o["metadata"]["annotations"].remove(kTemplateGeneration);
  if (!annotated) o["metadata"].remove("annotations");
}

void default_ext_replicaset(Mut o) {
  default_from_template(o);
  default_replicaset(o);
}

void default_beta1_deployment(Mut o) {
  default_from_template(o);
  default_int(o.object("spec"), "revisionHistoryLimit", 2);
  default_deployment(o);
}

void default_beta1_statefulset(Mut o) {
  default_from_template(o);
  default_text(o.object("spec").object("updateStrategy"), "type", "OnDelete");
  default_statefulset(o);
}

template <const OldWorkload& w>
Document as_stored(Value shown) {
  return workload_as_stored(w, shown);
}
template <const OldWorkload& w>
Document as_shown(Value stored) {
  return workload_as_shown(w, stored);
}

// The texts of k8s.io/apiserver/pkg/endpoints/deprecation.
std::string deprecated(const OldWorkload& w, std::string_view kind, std::string_view since, std::string_view replacement) {
  return cat(w.group, "/", w.version, " ", kind, " is deprecated in ", since, "+, unavailable in v1.16+",
             replacement.empty() ? "" : "; use ", replacement);
}

template <const OldWorkload& w>
void old_rules(Kind& k, void (*rules)(Kind&)) {
  rules(k);
  k.stored_as = {"apps", "v1", as_stored<w>, as_shown<w>, w.group != "apps"};
  const bool oldest = w.group != "apps", beta2 = w.version == "v1beta2";
  k.deprecation = deprecated(w, w.kind, beta2 ? "v1.9" : "v1.8", cat("apps/v1 ", w.kind));
  if (k.scale.present) {
    k.scale.group = w.group, k.scale.version = w.version;
    k.part_deprecations.emplace_back("scale", deprecated(w, "Scale", oldest ? "v1.2" : beta2 ? "v1.9" : "v1.8", oldest ? "" : "autoscaling/v1 Scale"));
  }
  if (w.rollback_field) {
    k.part_deprecations.emplace_back("rollback", deprecated(w, "DeploymentRollback", "v1.8", oldest ? "" : "apps/v1 DeploymentRollback"));
  }
  k.gone_upstream = true;
  k.orphans_by_default = w.resource != "controllerrevisions";
}

// The selector may change: what is valid on its own is valid.
void frees_selector(Kind& k) { k.validate_update = nullptr; }

}  // namespace

void ext_daemonset_rules(Kind& k) {
  old_rules<kExtDaemonSet>(k, daemonset_rules);
  k.set_defaults = default_ext_daemonset;
  frees_selector(k);
}
void ext_deployment_rules(Kind& k) {
  old_rules<kExtDeployment>(k, deployment_rules);
  k.set_defaults = default_ext_deployment;
  frees_selector(k);
}
void ext_replicaset_rules(Kind& k) {
  old_rules<kExtReplicaSet>(k, replicaset_rules);
  k.set_defaults = default_ext_replicaset;
  frees_selector(k);
}
void beta1_controllerrevision_rules(Kind& k) { old_rules<kBeta1Revision>(k, controllerrevision_rules); }
void beta1_deployment_rules(Kind& k) {
  old_rules<kBeta1Deployment>(k, deployment_rules);
  k.set_defaults = default_beta1_deployment;
  frees_selector(k);
}
void beta1_statefulset_rules(Kind& k) {
  old_rules<kBeta1StatefulSet>(k, statefulset_rules);
  k.set_defaults = default_beta1_statefulset;
}
void beta2_controllerrevision_rules(Kind& k) { old_rules<kBeta2Revision>(k, controllerrevision_rules); }
void beta2_daemonset_rules(Kind& k) { old_rules<kBeta2DaemonSet>(k, daemonset_rules); }
void beta2_deployment_rules(Kind& k) { old_rules<kBeta2Deployment>(k, deployment_rules); }
void beta2_replicaset_rules(Kind& k) { old_rules<kBeta2ReplicaSet>(k, replicaset_rules); }
void beta2_statefulset_rules(Kind& k) { old_rules<kBeta2StatefulSet>(k, statefulset_rules); }

}  // namespace bramble

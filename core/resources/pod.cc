// Pod: the smallest thing that runs. Its spec's rules are in pod_validation.cc and the files it names.
#include "core/resources/cells.h"
#include "core/resources/conditions.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/pod_cells.h"
#include "core/resources/pod_spec.h"
#include "core/resources/pod_view.h"
#include "core/resources/spec_warnings.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

void set_defaults(Mut pod) {
  Mut spec = pod.object("spec");
  default_pod(spec);
  default_pod_spec(spec);
  for (const char* list : {"initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"}) {
    for (Mut c : pod["status"][list].items()) {
      default_amounts(c["allocatedResources"]);
      default_requirements(c["resources"]);
    }
  }
}

// Adds to a selector what the pod's own labels say for the keys.
void select_own_values(Mut holder, const char* keys, const char* op, Mut labels) {
  if (!holder["labelSelector"].is_object()) return;
  for (Mut key : holder[keys].items()) {
    const Mut value = labels[key.str()];
    if (!value.is_string()) continue;
    Mut e = holder["labelSelector"].array("matchExpressions").append_object();
    e.set("key", key.text());
    e.set("operator", op);
    e.array("values").append(value.text());
  }
}

void merge_label_keys(Mut spec, Mut labels) {
  auto merge = [&](Mut term) {
    select_own_values(term, "matchLabelKeys", "In", labels);
    select_own_values(term, "mismatchLabelKeys", "NotIn", labels);
  };
  for (const char* kind : {"podAffinity", "podAntiAffinity"}) {
    Mut affinity = spec["affinity"][kind];
    for (Mut t : affinity["preferredDuringSchedulingIgnoredDuringExecution"].items()) merge(t["podAffinityTerm"]);
    for (Mut t : affinity["requiredDuringSchedulingIgnoredDuringExecution"].items()) merge(t);
  }
  for (Mut c : spec["topologySpreadConstraints"].items()) select_own_values(c, "matchLabelKeys", "In", labels);
}

void prepare_create(Mut pod) {
  merge_label_keys(pod["spec"], pod["metadata"]["labels"]);
  Builder copy;
  copy.root().set("spec", pod["spec"]);
  const Document spec = copy.finish();
  clear_status(pod);
  Mut status = pod.object("status");
  status.set("phase", "Pending");
  status.set("qosClass", qos_name(PodView(spec).qos()));
  if (pod["spec"]["schedulingGates"].size() > 0) {
    Mut condition = status.array("conditions").append_object();
    condition.set("type", "PodScheduled");
    condition.set("status", "False");
    condition.set("reason", "SchedulingGated");
    condition.set("message", "Scheduling is blocked due to non-empty scheduling gates");
    condition.set_null("lastProbeTime");
    condition.set_null("lastTransitionTime");
  }
  // A negative grace period means the shortest.
  if (pod["spec"]["terminationGracePeriodSeconds"].integer(30) < 0)
    pod.object("spec").set("terminationGracePeriodSeconds", 1);
}

void prepare_update(Mut pod, Value old) {
  keep_status(pod, old);
  if (pod["spec"]["terminationGracePeriodSeconds"].integer(30) < 0)
    pod.object("spec").set("terminationGracePeriodSeconds", 1);
}

void prepare_status_update(Mut pod, Value old) {
  keep_spec(pod, old);
  keep_meta(pod, old, "ownerReferences");
  if (pod["status"]["qosClass"].str().empty()) pod.object("status").set("qosClass", old["status"]["qosClass"]);
  // podIP and the first of podIPs say the same; a client may give only the one.
  if (!pod["status"]["podIP"].str().empty() && pod["status"]["podIPs"].size() == 0) {
    const std::string ip = pod["status"]["podIP"].text();
    pod.object("status").array("podIPs").append_object().set("ip", ip);
  }
}

// Of whom a projected token would be.
void validate_account_tokens(Value spec, FieldErrors& errors) {
  if (!spec["serviceAccountName"].str().empty()) return;
  for (size_t i = 0; i < spec["volumes"].size(); ++i) {
    const Value sources = spec["volumes"].item(i)["projected"]["sources"];
    for (size_t j = 0; j < sources.size(); ++j)
      if (sources.item(j).has("serviceAccountToken"))
        errors.forbidden(Path("spec").at("volumes").at(i).at("projected").at("sources").at(j).at("serviceAccountToken"),
                         "must not be specified when serviceAccountName is not set");
  }
}

void validate(Value pod, FieldErrors& errors) {
  const Path at("spec");
  validate_pod_annotations(pod["metadata"]["annotations"], pod["spec"], Path("metadata").at("annotations"), errors);
  validate_pod_spec(pod["spec"], at, false, errors);
  validate_account_tokens(pod["spec"], errors);
  if (pod["spec"]["ephemeralContainers"].size() > 0)
    errors.forbidden(at.at("ephemeralContainers"), "cannot be set on create");
  if (pod["spec"]["schedulingGates"].size() > 0 && !pod["spec"]["nodeName"].str().empty())
    errors.forbidden(at.at("nodeName"), "cannot be set until all schedulingGates have been cleared");
  validate_annotated_profiles(pod["metadata"], pod["spec"], at, errors);
}

void validate_update(Value pod, Value old, FieldErrors& errors) {
  const Path annotations = Path("metadata").at("annotations");
  validate_pod_annotations(pod["metadata"]["annotations"], pod["spec"], annotations, errors);
  validate_pod_annotation_changes(pod["metadata"]["annotations"], old["metadata"]["annotations"], annotations, errors);
  validate_pod_spec(pod["spec"], Path("spec"), false, errors);
  validate_account_tokens(pod["spec"], errors);
  validate_pod_changes(pod, old, errors);
}

// A terminated container stays terminated where the policy does not restart it.
void validate_states(Value now, Value was, std::string_view policy, const Path& at, FieldErrors& errors) {
  for (size_t i = 0; i < was.size(); ++i) {
    const Value old = was.item(i), terminated = old["state"]["terminated"];
    if (!terminated.is_object() || (terminated["exitCode"].integer() != 0 && policy == "OnFailure")) continue;
    for (Value status : now.items())
      if (status["name"].str() == old["name"].str() && !status["state"]["terminated"].is_object())
        errors.forbidden(at.at(i).at("state"), "may not be transitioned to non-terminated state");
  }
}

// Without those that are restarted by a policy of their own.
Document without_restartable(Value statuses, Value containers) {
  Builder out;
  out.set_root_array();
  for (Value status : statuses.items()) {
    bool restarted = false;
    for (Value c : containers.items())
      restarted = restarted || (c["name"].str() == status["name"].str() && (c["restartPolicy"].exists() || c["restartPolicyRules"].size() > 0));
    if (restarted)
      out.root().append_object();  // holds the place
    else
      out.root().append(status);
  }
  return out.finish();
}

void validate_all_states(Value pod, Value old, FieldErrors& errors) {
  const Path at("status");
  const Value now = pod["status"], was = old["status"], spec = old["spec"];
  const std::string_view policy = spec["restartPolicy"].str("Always");
  const std::pair<const char*, const char*> lists[] = {{"containerStatuses", "containers"}, {"initContainerStatuses", "initContainers"}};
  for (const auto& [statuses, containers] : lists) {
    if (policy == "Always") continue;
    const Document before = without_restartable(was[statuses], spec[containers]);
    validate_states(now[statuses], before.root(), policy, at.at(statuses), errors);
  }
  validate_states(now["ephemeralContainerStatuses"], was["ephemeralContainerStatuses"], "Never", at.at("ephemeralContainerStatuses"),
                  errors);
}

void validate_conditions(Value conditions, const Path& at, FieldErrors& errors) {
  for (size_t i = 0; i < conditions.size(); ++i) {
    const Value c = conditions.item(i);
    if (c["observedGeneration"].integer() < 0)
      errors.invalid(at.at(i).at("observedGeneration"), c["observedGeneration"].integer(), "must be a non-negative integer");
    const std::string_view type = c["type"].str();
    if (type != "PodScheduled" && type != "Ready" && type != "Initialized")
      add_invalid(at.at(i).at("Type"), type, check_qualified_name(type), errors);
  }
}

// podIPs or hostIPs: addresses, at most one of a family.
void validate_ips(Value list, const Path& at, FieldErrors& errors) {
  size_t v6 = 0;
  for (size_t i = 0; i < list.size(); ++i) {
    validate_ip(list.item(i)["ip"].str(), at.at(i), errors);
    v6 += is_ipv6(list.item(i)["ip"].str()) ? 1 : 0;
  }
  if (v6 <= 1 && list.size() - v6 <= 1) return;
  std::string printed = "[";
  for (Value ip : list.items()) printed += cat(printed.size() > 1 ? "," : "", "{\"IP\":", go_quote(ip["ip"].str()), "}");
  errors.invalid_raw(at, printed + "]", "may specify no more than one IP for each IP family");
}

void validate_status_update(Value pod, Value old, FieldErrors& errors) {
  const Path at("status"), annotations = Path("metadata").at("annotations");
  const Value status = pod["status"], before = old["status"];
  validate_pod_annotation_changes(pod["metadata"]["annotations"], old["metadata"]["annotations"], annotations, errors);
  validate_pod_annotations(pod["metadata"]["annotations"], pod["spec"], annotations, errors);
  validate_conditions(status["conditions"], at.at("conditions"), errors);
  if (pod["spec"]["nodeName"].str() != old["spec"]["nodeName"].str())
    errors.forbidden(at.at("nodeName"), "may not be changed directly");
  const std::string_view name = status["nominatedNodeName"].str();
  if (!name.empty() && name != before["nominatedNodeName"].str()) {
    add_invalid(at.at("nominatedNodeName"), name, check_dns1123_subdomain(name), errors);
    if (!old["spec"]["nodeName"].str().empty())
      errors.forbidden(at.at("nominatedNodeName"), "may not be set on pods that are already bound to a node");
  }
  if (status["observedGeneration"].integer() < 0)
    errors.invalid(at.at("observedGeneration"), status["observedGeneration"].integer(), "must be a non-negative integer");
  const std::string_view qos = status["qosClass"].str(), was = before["qosClass"].str();
  if (!was.empty() && qos != was) errors.invalid(at.at("qosClass"), qos, kFieldImmutable);
  validate_all_states(pod, old, errors);
  validate_ips(status["podIPs"], at.at("podIPs"), errors);
  if (status["podIPs"].size() > 0 && status["podIP"].str() != status["podIPs"].item(0)["ip"].str())
    errors.invalid(at.at("podIPs").at(size_t{0}), status["podIPs"].item(0)["ip"].str(), "must be equal to `podIP`");
  if (status["hostIPs"].size() > 0 && status["hostIP"].str() != status["hostIPs"].item(0)["ip"].str())
    errors.invalid(at.at("hostIPs").at(size_t{0}).at("ip"), status["hostIPs"].item(0)["ip"].str(), "must be equal to `hostIP`");
  validate_ips(status["hostIPs"], at.at("hostIPs"), errors);
}

void warnings(Value pod, std::vector<std::string>& out) {
  name_warning(pod, "the Pod's hostname", out);
  pod_spec_warnings(pod["spec"], pod["metadata"], Path("spec"), false, out);
}

std::string pod_ips(Value pod) {
  std::vector<std::string> ips;
  for (Value ip : pod["status"]["podIPs"].items()) ips.push_back(ip["ip"].text());
  return join(ips, ",");
}

}  // namespace

void pod_rules(Kind& k) {
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.set_defaults = set_defaults;
  k.prepare_create = prepare_create;
  k.prepare_update = prepare_update;
  k.prepare_status_update = prepare_status_update;
  k.validate = validate;
  k.validate_update = validate_update;
  k.validate_status_update = validate_status_update;
  k.warnings = warnings;
  k.columns = pod_columns();
  k.selectable = {
      {"spec.nodeName", [](Value o) { return o["spec"]["nodeName"].text(); }},
      {"spec.host", [](Value o) { return o["spec"]["nodeName"].text(); }},
      {"spec.restartPolicy", [](Value o) { return o["spec"]["restartPolicy"].text(); }},
      {"spec.schedulerName", [](Value o) { return o["spec"]["schedulerName"].text(); }},
      {"spec.serviceAccountName", [](Value o) { return o["spec"]["serviceAccountName"].text(); }},
      {"spec.hostNetwork", [](Value o) { return std::string(o["spec"]["hostNetwork"].boolean() ? "true" : "false"); }},
      {"status.phase", [](Value o) { return o["status"]["phase"].text(); }},
      {"status.podIP", [](Value o) { return o["status"]["podIP"].text(); }},
      {"status.podIPs", pod_ips},
      {"status.nominatedNodeName", [](Value o) { return o["status"]["nominatedNodeName"].text(); }},
  };
}

}  // namespace bramble

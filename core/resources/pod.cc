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

void prepare_create(Mut pod) {
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

void validate(Value pod, FieldErrors& errors) {
  const Path at("spec");
  validate_pod_annotations(pod["metadata"]["annotations"], pod["spec"], Path("metadata").at("annotations"), errors);
  validate_pod_spec(pod["spec"], at, false, errors);
  if (pod["spec"]["ephemeralContainers"].size() > 0)
    errors.forbidden(at.at("ephemeralContainers"), "cannot be set on create");
  if (pod["spec"]["schedulingGates"].size() > 0 && !pod["spec"]["nodeName"].str().empty())
    errors.forbidden(at.at("nodeName"), "cannot be set until all schedulingGates have been cleared");
}

void validate_update(Value pod, Value old, FieldErrors& errors) {
  const Path annotations = Path("metadata").at("annotations");
  validate_pod_annotations(pod["metadata"]["annotations"], pod["spec"], annotations, errors);
  validate_pod_annotation_changes(pod["metadata"]["annotations"], old["metadata"]["annotations"], annotations, errors);
  validate_pod_spec(pod["spec"], Path("spec"), false, errors);
  validate_pod_changes(pod, old, errors);
}

// A terminated container stays terminated where the policy does not restart it.
void validate_states(Value now, Value was, std::string_view policy, const Path& at, FieldErrors& errors) {
  for (Value old : was.items()) {
    const Value terminated = old["state"]["terminated"];
    if (!terminated.is_object() || (terminated["exitCode"].integer() != 0 && policy == "OnFailure")) continue;
    for (size_t i = 0; i < now.size(); ++i)
      if (now.item(i)["name"].str() == old["name"].str() && !now.item(i)["state"]["terminated"].is_object())
        errors.forbidden(at.at(i).at("state"), "may not be transitioned to non-terminated state");
  }
}

void validate_status_update(Value pod, Value old, FieldErrors& errors) {
  const Path at("status");
  const Value status = pod["status"];
  if (pod["spec"]["nodeName"].str() != old["spec"]["nodeName"].str())
    errors.forbidden(at.at("nodeName"), "may not be changed directly");
  if (const std::string_view name = status["nominatedNodeName"].str(); !name.empty())
    add_invalid(at.at("nominatedNodeName"), name, check_dns1123_subdomain(name), errors);
  const std::string_view policy = old["spec"]["restartPolicy"].str("Always");
  if (policy != "Always")
    validate_states(status["containerStatuses"], old["status"]["containerStatuses"], policy, at.at("containerStatuses"),
                    errors);
  const std::string_view qos = status["qosClass"].str(), was = old["status"]["qosClass"].str();
  if (!was.empty() && qos != was) errors.invalid(at.at("qosClass"), qos, kFieldImmutable);
  for (size_t i = 0; i < status["podIPs"].size(); ++i)
    validate_ip(status["podIPs"].item(i)["ip"].str(), at.at("podIPs").at(i), errors);
  if (status["podIPs"].size() > 0 && status["podIP"].str() != status["podIPs"].item(0)["ip"].str())
    errors.invalid(at.at("podIPs").at(size_t{0}), status["podIPs"].item(0)["ip"].str(), "must be equal to `podIP`");
}

void warnings(Value pod, std::vector<std::string>& out) {
  pod_spec_warnings(pod["spec"], pod["metadata"], Path("spec"), false, out);
}

std::string pod_ips(Value pod) {
  std::vector<std::string> ips;
  for (Value ip : pod["status"]["podIPs"].items()) ips.push_back(ip["ip"].text());
  return join(ips, ",");
}

}  // namespace

void pod_rules(Kind& k) {
  k.set_defaults = set_defaults;
  k.prepare_create = prepare_create;
  k.prepare_update = prepare_update;
  k.prepare_status_update = prepare_status_update;
  k.validate = validate;
  k.validate_update = validate_update;
  k.validate_status_update = validate_status_update;
  k.warnings = warnings;
  k.columns = columns_of(
      "Name:name, Ready, Status, Restarts, Age, IP:wide, Node:wide, Nominated Node:wide, Readiness Gates:wide");
  k.cells = append_pod_cells;
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

// pods/binding: the one way in which a Pod gets its node (k8s.io/kubernetes/pkg/registry/core/pod/storage).
#include "core/registry/api_status.h"
#include "core/registry/object_meta.h"
#include "core/registry/registry.h"

namespace bramble {

namespace {

// Why this Pod cannot go to a node, or "".
std::string refusal(Value pod, Value binding) {
  std::string_view name = meta(pod, "name");
  if (pod["metadata"]["deletionTimestamp"]) return cat("pod ", name, " is being deleted, cannot be assigned to a host");
  std::string_view node = pod["spec"]["nodeName"].str();
  if (!node.empty()) return cat("pod ", name, " is already assigned to node ", go_quote(node));
  if (pod["spec"]["schedulingGates"].size() != 0) return cat("pod ", name, " has non-empty .spec.schedulingGates");
  std::string_view uid = meta(binding, "uid");
  if (!uid.empty() && uid != meta(pod, "uid")) {
    return cat("Precondition failed: UID in precondition: ", uid, ", UID in object meta: ", meta(pod, "uid"));
  }
  return {};
}

void mark_scheduled(Mut pod, const std::string& now) {
  Mut conditions = pod.object("status").array("conditions");
  Mut found;
  for (Mut c : conditions.items()) {
    if (c["type"].str() == "PodScheduled") found = c;
  }
  if (!found) {
    found = conditions.append_object();
    found.set("type", "PodScheduled");
    found.set_null("lastProbeTime");
  }
  if (found["status"].str() != "True") found.set("lastTransitionTime", now);
  found.set("status", "True");
  found.remove("reason");
  found.remove("message");
}

}  // namespace

Task<Status> Registry::bind(WriteRequest request, Document binding) {
  Clock* clock = &clock_;
  std::string name = request.name;
  ChangeFn change = [binding, clock, name](Value pod) -> Result<Builder> {
    std::string why = refusal(pod, binding.root());
    if (!why.empty()) return api_conflict({"", "pods/binding"}, name, why);
    Builder out(pod);
    out.root().object("spec").set("nodeName", binding["target"]["name"].str());
    for (auto [key, value] : binding["metadata"]["annotations"].members()) {
      out.root().object("metadata").object("annotations").set(key, value);
    }
    for (auto [key, value] : binding["metadata"]["labels"].members()) {
      if (!pod["metadata"]["labels"].has(key)) out.root().object("metadata").object("labels").set(key, value);
    }
    mark_scheduled(out.root(), clock->now_rfc3339());
    return out;
  };
  auto written = co_await update(request, UpdatePart::kBinding, change);
  CO_TRY(written);
  co_return ok();
}

}  // namespace bramble

// pods/ephemeralcontainers and pods/resize (pkg/registry/core/pod strategies, core/v1 ValidatePodEphemeralContainersUpdate and
// ValidatePodResize).
#include "core/base/strings.h"
#include "core/json/builder.h"
#include "core/resources/field_rules.h"
#include "core/resources/pod_spec.h"
#include "core/resources/pod_view.h"
#include "core/resources/subresource_rules.h"
#include "core/resources/text_diff.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

void keep_all_but_spec(Mut pod, Value old) {
  keep_status(pod, old);
  for (const char* key : {"labels", "annotations", "ownerReferences", "finalizers", "generateName"}) keep_meta(pod, old, key);
}

void prepare_ephemeral(Mut pod, Value old, std::string_view) {
  Builder spec(old["spec"]);
  spec.root().set("ephemeralContainers", pod["spec"]["ephemeralContainers"]);
  const Document kept = spec.finish();
  pod.set("spec", kept.root());
  keep_all_but_spec(pod, old);
}

Value find_named(Value list, std::string_view name) {
  for (Value c : list.items())
    if (c["name"].str() == name) return c;
  return {};
}

void validate_ephemeral(Value pod, Value old, FieldErrors& errors) {
  if (PodView(old).is_mirror()) return errors.forbidden(Path(), "static pods do not support ephemeral containers");
  validate_pod_spec(pod["spec"], Path("spec"), false, errors);
  const Path at = Path("spec").at("ephemeralContainers");
  for (Value was : old["spec"]["ephemeralContainers"].items()) {
    const Value now = find_named(pod["spec"]["ephemeralContainers"], was["name"].str());
    const std::string which = cat("existing ephemeral containers ", go_quote(was["name"].str()), " may not be ");
    if (!now)
      errors.forbidden(at, cat(which, "removed\n"));
    else if (!equal(was, now))
      errors.forbidden(at, cat(which, "changed\n", unified_diff(was.dump_pretty(), now.dump_pretty())));
  }
}

// Of each container its resources and its resize policy are the client's, in the client's order.
void prepare_resize(Mut pod, Value old, std::string_view) {
  Builder spec(old["spec"]);
  spec.root().set("resources", pod["spec"]["resources"]);
  for (const char* list : {"containers", "initContainers"}) {
    Builder merged;
    merged.set_root_array();
    for (Mut now : pod["spec"][list].items()) {
      const Value was = find_named(old["spec"][list], now["name"].str());
      if (!was) {
        merged.root().append(now);
        continue;
      }
      Mut c = merged.root().append_copy(was);
      for (const char* field : {"resources", "resizePolicy"}) c.set(field, now[field]);
    }
    if (merged.root().size() > 0) {
      const Document containers = merged.finish();
      spec.root().set(list, containers.root());
    } else {
      spec.root().remove(list);
    }
  }
  const Document kept = spec.finish();
  pod.set("spec", kept.root());
  keep_all_but_spec(pod, old);
}

// False: the lists cannot be compared one by one.
bool validate_order(Value now, Value was, const char* list, FieldErrors& errors) {
  const Path at = Path("spec").at(list);
  if (now.size() != was.size()) {
    errors.forbidden(at, cat(list, " may not be added or removed on resize"));
    return false;
  }
  bool same = true;
  for (size_t i = 0; i < was.size(); ++i) {
    if (now.item(i)["name"].str() == was.item(i)["name"].str()) continue;
    errors.forbidden(at.at(i).at("name"), cat(list, " may not be renamed or reordered on resize"));
    same = false;
  }
  return same;
}

bool some_removed(Value now, Value was) {
  for (auto [name, amount] : was.members())
    if (!now.has(name)) return true;
  return false;
}

void validate_nothing_removed(Value now, Value was, const Path& at, std::string_view what, FieldErrors& errors) {
  for (const char* part : {"requests", "limits"})
    if (some_removed(now[part], was[part])) errors.forbidden(at.at(part), cat(what, " ", part, " cannot be removed"));
}

// The resources with CPU and memory as they were: what still differs then may not be changed.
void restore_cpu_and_memory(Mut holder, Value was) {
  for (const char* part : {"requests", "limits"}) {
    Mut amounts = holder.object("resources").object(part);
    for (const char* name : {"cpu", "memory"}) amounts.set(name, was["resources"][part][name]);
    if (amounts.size() == 0) holder["resources"].remove(part);
  }
  if (holder["resources"].size() == 0) holder.set("resources", was["resources"]);
}

bool same_but_cpu_and_memory(Value now, Value was) {
  Builder munged(now);
  restore_cpu_and_memory(munged.root(), was);
  const Document after = munged.finish();
  return equal(after.root(), was);
}

void validate_pod_level(Value now, Value was, FieldErrors& errors) {
  const Path at = Path("spec").at("resources");
  const Value before = was["resources"], after = now["resources"];
  if (before["requests"].size() + before["limits"].size() + after["requests"].size() + after["limits"].size() == 0) return;
  if (before && !after) return errors.forbidden(at, "pod-level resources cannot be removed");
  validate_nothing_removed(after, before, at, "pod-level resource", errors);
  Builder munged, kept;
  munged.root().set("resources", after);
  kept.root().set("resources", before);
  const Document next = munged.finish(), old = kept.finish();
  if (!same_but_cpu_and_memory(next.root(), old.root()))
    errors.forbidden(Path("spec"), "only cpu and memory resources are mutable at pod-level");
}

void validate_init_resize(Value now, Value was, const Path& at, FieldErrors& errors) {
  if (!same_but_cpu_and_memory(now, was))
    errors.forbidden(at, "only cpu and memory resources for init or sidecar containers are mutable");
  if (equal(now, was) || PodView::is_sidecar(now)) return;
  for (Value policy : now["resizePolicy"].items())
    if (policy["restartPolicy"].str() == "RestartContainer")
      return errors.forbidden(at, "non-sidecar init containers with a resize policy of RestartContainer cannot be resized");
}

// A node that can resize tells the resources of what it runs.
bool node_can_resize(Value pod) {
  for (Value status : pod["status"]["containerStatuses"].items())
    if (status["state"]["running"].exists()) return status["resources"].exists();
  return true;
}

void validate_resize(Value pod, Value old, FieldErrors& errors) {
  const Path at("spec");
  const Value now = pod["spec"], was = old["spec"];
  if (PodView(old).is_mirror()) return errors.forbidden(Path(), "static pods cannot be resized");
  if (was["os"]["name"].str() == "windows") return errors.forbidden(Path(), "windows pods cannot be resized");
  validate_pod_spec(now, at, false, errors);
  const std::string_view qos = old["status"]["qosClass"].str();
  if ((qos.empty() ? qos_name(PodView(old).qos()) : qos) != qos_name(PodView(pod).qos()))
    errors.invalid(at, qos, "Pod QOS Class may not change as a result of resizing");
  if (!node_can_resize(old)) errors.forbidden(at, "Pod running on node without support for resize");
  validate_pod_level(now, was, errors);
  if (old["status"]["nodeAllocatableResourceClaimStatuses"].size() > 0)
    errors.forbidden(at, "pods with node allocatable resource claims cannot be resized");
  const bool containers_fit = validate_order(now["containers"], was["containers"], "containers", errors);
  const bool inits_fit = validate_order(now["initContainers"], was["initContainers"], "initContainers", errors);
  if (!containers_fit || !inits_fit) return;
  for (const char* list : {"initContainers", "containers"})
    for (size_t i = 0; i < was[list].size(); ++i)
      validate_nothing_removed(now[list].item(i)["resources"], was[list].item(i)["resources"], at.at(list).at(i).at("resources"), "resource",
                               errors);
  for (size_t i = 0; i < was["containers"].size(); ++i)
    if (!same_but_cpu_and_memory(now["containers"].item(i), was["containers"].item(i)))
      errors.forbidden(at, "only cpu and memory resources are mutable");
  for (size_t i = 0; i < was["initContainers"].size(); ++i)
    validate_init_resize(now["initContainers"].item(i), was["initContainers"].item(i), at.at("initContainers").at(i), errors);
}

}  // namespace

const SubresourceRules kEphemeralContainerRules = {prepare_ephemeral, validate_ephemeral};
const SubresourceRules kResizeRules = {prepare_resize, validate_resize};

const SubresourceRules* find_subresource_rules(const Kind& kind, std::string_view subresource) {
  if (kind.group.empty() && kind.resource == "pods") {
    if (subresource == "ephemeralcontainers") return &kEphemeralContainerRules;
    if (subresource == "resize") return &kResizeRules;
  }
  if (kind.group == "certificates.k8s.io" && subresource == "approval") return &kApprovalRules;
  return nullptr;
}

}  // namespace bramble

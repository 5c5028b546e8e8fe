// What may change in a Pod (core/v1 ValidatePodUpdate): images, deadlines, additional tolerations, fewer scheduling
// gates.
#include "core/json/builder.h"
#include "core/resources/field_rules.h"
#include "core/resources/pod_spec.h"
#include "core/resources/text_diff.h"

namespace bramble {
namespace {

constexpr std::string_view kMayNotChange =
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

// False when the lists cannot be compared any further.
bool validate_container_changes(Value now, Value was, const Path& at, FieldErrors& errors) {
  if (now.size() != was.size()) {
    errors.forbidden(at, "pod updates may not add or remove containers");
    return false;
  }
  for (size_t i = 0; i < now.size(); ++i) {
    const std::string_view image = now.item(i)["image"].str();
    if (image.empty()) errors.required(at.at(i).at("image"));
    if (image.size() != trim(image).size())
      errors.invalid(at.at(i).at("image"), image, "must not have leading or trailing whitespace");
  }
  return true;
}

void validate_deadline_change(Value now, Value was, const Path& at, FieldErrors& errors) {
  const Value deadline = now["activeDeadlineSeconds"], before = was["activeDeadlineSeconds"];
  const Path here = at.at("activeDeadlineSeconds");
  if (deadline.exists()) {
    if (deadline.integer() < 0 || deadline.integer() > 2147483647)
      errors.invalid(here, deadline.integer(), "must be between 0 and 2147483647, inclusive");
    else if (before.exists() && before.integer() < deadline.integer())
      errors.invalid(here, deadline.integer(), "must be less than or equal to previous value");
  } else if (before.exists()) {
    errors.invalid(here, Value(), "must not update from a positive integer to nil value");
  }
}

bool same_but_seconds(Value a, Value b) {
  for (const char* f : {"key", "operator", "value", "effect"})
    if (a[f].str() != b[f].str()) return false;
  return true;
}

void validate_tolerations_only_added(Value now, Value was, const Path& at, FieldErrors& errors) {
  for (Value old : was.items()) {
    bool kept = false;
    for (Value t : now.items()) kept = kept || same_but_seconds(old, t);
    if (!kept) {
      errors.forbidden(at, "existing toleration can not be modified except its tolerationSeconds");
      return;
    }
  }
}

void validate_gates_only_removed(Value now, Value was, const Path& at, FieldErrors& errors) {
  for (size_t i = 0; i < now.size(); ++i) {
    bool known = false;
    for (Value g : was.items()) known = known || g["name"].str() == now.item(i)["name"].str();
    if (!known)
      errors.forbidden(
          at.at(i), cat("only deletion is allowed, but found new scheduling gate '", now.item(i)["name"].str(), "'"));
  }
}

void restore_images(Mut now, Value was) {
  for (size_t i = 0; i < was.size() && i < now.size(); ++i) now.item(i).set("image", was.item(i)["image"]);
}

// A gated pod may still narrow where it will go: more node selector keys, narrower affinity.
void restore_gated_placement(Mut munged, Value was) {
  bool only_added = true;
  for (auto [key, value] : was["nodeSelector"].members())
    only_added = only_added && munged["nodeSelector"][key].exists() && munged["nodeSelector"][key].str() == value.str();
  if (only_added) munged.set("nodeSelector", was["nodeSelector"]);
  const Value before = was["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
  if (!before.exists()) munged.set("affinity", was["affinity"]);
}

}  // namespace

void validate_pod_changes(Value pod, Value old, FieldErrors& errors) {
  const Path at("spec");
  const Value now = pod["spec"], was = old["spec"];
  if (!validate_container_changes(now["containers"], was["containers"], at.at("containers"), errors)) return;
  if (!validate_container_changes(now["initContainers"], was["initContainers"], at.at("initContainers"), errors))
    return;
  validate_deadline_change(now, was, at, errors);
  validate_tolerations_only_added(now["tolerations"], was["tolerations"], at.at("tolerations"), errors);
  validate_gates_only_removed(now["schedulingGates"], was["schedulingGates"], at.at("schedulingGates"), errors);
  if (equal(now, was)) return;

  Builder munged(now);
  Mut spec = munged.root();
  restore_images(spec["containers"], was["containers"]);
  restore_images(spec["initContainers"], was["initContainers"]);
  for (const char* field : {"activeDeadlineSeconds", "schedulingGates", "tolerations"}) spec.set(field, was[field]);
  if (was["terminationGracePeriodSeconds"].integer() < 0 && now["terminationGracePeriodSeconds"].integer() == 1)
    spec.set("terminationGracePeriodSeconds", was["terminationGracePeriodSeconds"]);
  if (was["schedulingGates"].size() > 0) restore_gated_placement(spec, was);
  const Document after = munged.finish();
  if (equal(after.root(), was)) return;
  errors.forbidden(at, cat(kMayNotChange, "\n", unified_diff(was.dump_pretty(), after.root().dump_pretty())));
}

}  // namespace bramble

// What may change in a Pod (core/v1 ValidatePodUpdate): images, deadlines, additional tolerations, fewer scheduling
// gates. A new field is immutable unless it is named here: the rest of the spec is compared as a whole.
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
          at.at(i).at("name"), cat("only deletion is allowed, but found new scheduling gate '", now.item(i)["name"].str(), "'"));
  }
}

void restore_images(Mut now, Value was) {
  for (size_t i = 0; i < was.size() && i < now.size(); ++i) now.item(i).set("image", was.item(i)["image"]);
}

// Whether a list begins as it was.
bool only_appended(Value now, Value was) {
  if (now.size() < was.size()) return false;
  for (size_t i = 0; i < was.size(); ++i)
    if (!equal(now.item(i), was.item(i))) return false;
  return true;
}

bool term_only_narrowed(Value now, Value was) {
  const bool empty = was["matchExpressions"].size() + was["matchFields"].size() == 0;
  if (empty) return now["matchExpressions"].size() + now["matchFields"].size() == 0;
  return only_appended(now["matchExpressions"], was["matchExpressions"]) && only_appended(now["matchFields"], was["matchFields"]);
}

// Terms are joined by "or", what stands in one by "and": more in each, but no more of them.
void validate_terms_only_narrowed(Value now, Value was, const Path& at, FieldErrors& errors) {
  constexpr const char* kRequired = "requiredDuringSchedulingIgnoredDuringExecution";
  const Value terms = now[kRequired]["nodeSelectorTerms"], before = was[kRequired]["nodeSelectorTerms"];
  const Path here = at.at(kRequired).at("nodeSelectorTerms");
  if (before.size() == 0) return;
  if (terms.size() != before.size())
    return errors.invalid(here, terms, "no additions/deletions to non-empty NodeSelectorTerms list are allowed");
  for (size_t i = 0; i < terms.size(); ++i)
    if (!term_only_narrowed(terms.item(i), before.item(i)))
      errors.invalid(here.at(i), terms.item(i), "only additions are allowed (no mutations or deletions)");
}

// A gated pod may still narrow where it will go: more node selector keys, narrower node affinity.
void restore_gated_placement(Mut munged, Value now, Value was, const Path& at, FieldErrors& errors) {
  for (auto [key, value] : was["nodeSelector"].members()) {
    const Value kept = now["nodeSelector"][key];
    if (kept.exists() && kept.str() == value.str()) continue;
    errors.invalid(at.at("nodeSelector"), now["nodeSelector"], "only additions to spec.nodeSelector are allowed (no mutations or deletions)");
    break;
  }
  munged.set("nodeSelector", was["nodeSelector"]);
  const Value affinity = now["affinity"]["nodeAffinity"], before = was["affinity"]["nodeAffinity"];
  if (equal(affinity, before)) return;
  validate_terms_only_narrowed(affinity, before, at.at("affinity").at("nodeAffinity"), errors);
  const bool nothing_else = !now["affinity"]["podAffinity"].exists() && !now["affinity"]["podAntiAffinity"].exists();
  if (!was["affinity"].exists() && nothing_else)
    munged.remove("affinity");
  else
    munged.object("affinity").set("nodeAffinity", before);
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
  if (was["schedulingGates"].size() > 0) restore_gated_placement(spec, now, was, at, errors);
  const Document after = munged.finish();
  if (equal(after.root(), was)) return;
  errors.forbidden(at, cat(kMayNotChange, "\n", unified_diff(was.dump_pretty(), after.root().dump_pretty())));
}

}  // namespace bramble

#include "core/apiserver/delete_options.h"

#include "core/base/strings.h"
#include "core/resources/field_rules.h"

namespace bramble {

SentDeleteOptions delete_options_of(Value options) {
  SentDeleteOptions out;
  Removal& removal = out.removal;
  if (options["gracePeriodSeconds"].is_number()) removal.grace_period_s = options["gracePeriodSeconds"].integer();
  if (options["orphanDependents"].is_bool()) removal.orphan_dependents = options["orphanDependents"].boolean();
  removal.propagation = options["propagationPolicy"].text();
  Value preconditions = options["preconditions"];
  if (preconditions["uid"].is_string()) removal.uid = preconditions["uid"].text();
  if (preconditions["resourceVersion"].is_string()) removal.resource_version = preconditions["resourceVersion"].text();
  for (Value v : options["dryRun"].items()) out.dry_run.push_back(v.text());
  return out;
}

Status check_delete_options(const SentDeleteOptions& options, bool& dry_run) {
  const Removal& removal = options.removal;
  const std::string& policy = removal.propagation;
  FieldErrors errors;
  if (!policy.empty() && removal.orphan_dependents) {
    errors.invalid(Path("propagationPolicy"), policy, "orphanDependents and deletionPropagation cannot be both set");
  } else if (!policy.empty() && policy != "Foreground" && policy != "Background" && policy != "Orphan") {
    errors.not_supported(Path("propagationPolicy"), policy, {"Foreground", "Background", "Orphan", "nil"});
  }
  if (!errors.empty()) return errors.to_error("meta.k8s.io", "DeleteOptions", "");
  return check_dry_run(options.dry_run, "DeleteOptions", dry_run);
}

Status check_dry_run(const std::vector<std::string>& values, std::string_view options_kind, bool& dry_run) {
  for (const std::string& v : values) {
    if (v == "All") continue;
    std::vector<std::string> quoted;
    for (const std::string& value : values) quoted.push_back(go_quote(value));
    FieldErrors errors;
    errors.add({"FieldValueNotSupported", "dryRun", cat("Unsupported value: [", join(quoted, ","), "]: supported values: \"All\"")});
    return errors.to_error("meta.k8s.io", options_kind, "");
  }
  dry_run = !values.empty();
  return ok();
}

}  // namespace bramble

// Job: pods that run to an end; stored and shown, its controller comes later.
#include "core/base/clock.h"
#include "core/resources/cells.h"
#include "core/resources/conditions.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/selector.h"
#include "core/resources/transitions.h"
#include "core/resources/workload_rules.h"

namespace bramble {
namespace {

constexpr std::string_view kUidLabel = "batch.kubernetes.io/controller-uid",
                           kNameLabel = "batch.kubernetes.io/job-name";

void default_job(Mut o) {
  Mut spec = o.object("spec");
  if (!spec.has("completions") && !spec.has("parallelism")) {
    spec.set("completions", 1);
    spec.set("parallelism", 1);
  }
  default_int(spec, "parallelism", 1);
  if (!spec.has("backoffLimit"))
    spec.set("backoffLimit", spec.has("backoffLimitPerIndex") ? int64_t{2147483647} : int64_t{6});
  default_text(spec, "completionMode", "NonIndexed");
  default_bool(spec, "suspend", false);
  default_bool(spec, "manualSelector", false);
  if (!spec.has("podReplacementPolicy"))
    spec.set("podReplacementPolicy", spec["podFailurePolicy"].is_object() ? "Failed" : "TerminatingOrFailed");
  for (Mut rule : spec["podFailurePolicy"]["rules"].items())
    for (Mut c : rule["onPodConditions"].items()) default_text(c, "status", "True");
  default_template(spec);
  // A Job's pods must say how they restart.
  Mut labels = spec["template"]["metadata"]["labels"];
  if (labels.size() > 0 && o["metadata"]["labels"].size() == 0) o.object("metadata").set("labels", labels);
}

// Selector and labels from the Job's own uid, unless manualSelector.
void prepare_job_create(Mut o) {
  clear_status(o);
  Mut spec = o.object("spec");
  if (spec["manualSelector"].boolean()) return;
  const std::string uid = o["metadata"]["uid"].text(), name = o["metadata"]["name"].text();
  Mut labels = spec.object("template").object("metadata").object("labels");
  labels.set(kUidLabel, uid);
  labels.set(kNameLabel, name);
  labels.set("controller-uid", uid);
  labels.set("job-name", name);
  spec.object("selector").object("matchLabels").set(kUidLabel, uid);
  if (o["metadata"]["labels"].size() == 0) o.object("metadata").set("labels", labels);
}

void validate_failure_policy(Value policy, const Path& at, FieldErrors& errors) {
  for (size_t i = 0; i < policy["rules"].size(); ++i) {
    const Value rule = policy["rules"].item(i);
    const Path here = at.at("rules").at(i);
    validate_one_of(rule["action"].str(), {"Count", "FailIndex", "FailJob", "Ignore"}, here.at("action"), true, errors);
    const bool codes = rule["onExitCodes"].is_object(), conditions = rule["onPodConditions"].size() > 0;
    if (codes && conditions)
      errors.add({"FieldValueInvalid", here.text(),
                  "Invalid value: specifying both OnExitCodes and OnPodConditions is not supported"});
    if (!codes && !conditions)
      errors.add({"FieldValueInvalid", here.text(),
                  "Invalid value: specifying one of OnExitCodes and OnPodConditions is required"});
    if (codes) {
      validate_one_of(rule["onExitCodes"]["operator"].str(), {"In", "NotIn"}, here.at("onExitCodes").at("operator"),
                      true, errors);
      if (rule["onExitCodes"]["values"].size() == 0)
        errors.add({"FieldValueInvalid", here.at("onExitCodes").at("values").text(),
                    "Invalid value: at least one value is required"});
    }
  }
}

void validate_job(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  const Value selector = spec["selector"], labels = spec["template"]["metadata"]["labels"];
  const std::string uid = o["metadata"]["uid"].text();
  if (!selector.is_object())
    errors.required(at.at("selector"));
  else
    validate_label_selector(selector, at.at("selector"), errors);
  if (!spec["manualSelector"].boolean() && selector.is_object()) {
    const bool generated = selector["matchExpressions"].size() == 0 && selector["matchLabels"].size() == 1 &&
                           selector["matchLabels"][kUidLabel].str() == uid;
    if (!generated) errors.invalid(at.at("selector"), selector, "`selector` not auto-generated");
  }
  const auto parsed = LabelSelector::from_object(selector);
  if (parsed.ok() && selector.is_object() && !parsed->matches(labels))
    errors.invalid(at.at("template").at("metadata").at("labels"), labels,
                   "`selector` does not match template `labels`");
  validate_job_spec(spec, at, errors);
}

void validate_job_update(Value o, Value old, FieldErrors& errors) {
  validate_job_spec(o["spec"], Path("spec"), errors);
  for (const char* f :
       {"completionMode", "selector", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"})
    validate_immutable(o["spec"][f], old["spec"][f], Path("spec").at(f), errors);
  if (o["spec"]["completionMode"].str() != "Indexed")
    validate_immutable(o["spec"]["completions"], old["spec"]["completions"], Path("spec").at("completions"), errors);
  if (!(old["spec"]["suspend"].boolean() && !old["status"].has("startTime")))
    validate_immutable(o["spec"]["template"], old["spec"]["template"], Path("spec").at("template"), errors);
}

void job_warnings(Value o, std::vector<std::string>& out) {
  template_warnings(o["spec"]["template"], Path("spec").at("template"), out);
}

std::string job_status(Value o) {
  if (condition_is_true(o, "Complete")) return "Complete";
  if (condition_is_true(o, "Failed")) return "Failed";
  if (o["metadata"].has("deletionTimestamp")) return "Terminating";
  if (condition_is_true(o, "Suspended")) return "Suspended";
  if (condition_is_true(o, "FailureTarget")) return "FailureTarget";
  if (condition_is_true(o, "SuccessCriteriaMet")) return "SuccessCriteriaMet";
  return "Running";
}

std::string completions_text(Value o) {
  const int64_t succeeded = o["status"]["succeeded"].integer(), parallelism = o["spec"]["parallelism"].integer();
  if (o["spec"].has("completions")) return cat(succeeded, "/", o["spec"]["completions"].integer());
  return parallelism > 1 ? cat(succeeded, "/1 of ", parallelism) : cat(succeeded, "/1");
}

std::string duration_text(Value o, int64_t now_us) {
  const Value status = o["status"];
  const auto start = parse_rfc3339(status["startTime"].str());
  if (!start) return {};
  auto end = parse_rfc3339(status["completionTime"].str());
  if (!end && condition_is_true(o, "Failed"))
    end = parse_rfc3339(find_condition(status["conditions"], "Failed")["lastTransitionTime"].str());
  return human_duration((end ? *end : now_us) - *start);
}

}  // namespace

void validate_job_spec(Value spec, const Path& at, FieldErrors& errors) {
  for (const char* f : {"parallelism", "completions", "activeDeadlineSeconds", "backoffLimit",
                        "ttlSecondsAfterFinished", "backoffLimitPerIndex", "maxFailedIndexes"})
    validate_nonnegative(spec[f], at.at(f), errors);
  validate_one_of(spec["completionMode"].str(), {"Indexed", "NonIndexed"}, at.at("completionMode"), false, errors);
  if (spec["completionMode"].str() == "Indexed" && !spec.has("completions"))
    errors.required(at.at("completions"), "when completion mode is Indexed");
  if (spec.has("backoffLimitPerIndex") && spec["completionMode"].str() != "Indexed")
    errors.invalid(at.at("backoffLimitPerIndex"), spec["backoffLimitPerIndex"].integer(),
                   "requires indexed completion mode");
  validate_failure_policy(spec["podFailurePolicy"], at.at("podFailurePolicy"), errors);
  if (const std::string_view by = spec["managedBy"].str(); spec.has("managedBy"))
    add_invalid(at.at("managedBy"), by, check_fully_qualified_name(by), errors);
  validate_pod_template(spec["template"], at.at("template"), errors);
  const std::string_view policy = spec["template"]["spec"]["restartPolicy"].str();
  const Path here = at.at("template").at("spec").at("restartPolicy");
  if (policy == "Always" || policy.empty())
    errors.required(here, "valid values: \"OnFailure\", \"Never\"");
  else if (policy != "OnFailure" && policy != "Never")
    errors.not_supported(here, policy, {"OnFailure", "Never"});
  else if (spec["podFailurePolicy"].is_object() && policy != "Never")
    errors.invalid(here, policy, "only \"Never\" is supported when podFailurePolicy is specified");
}

void job_rules(Kind& k) {
  k.set_defaults = default_job;
  k.prepare_create = prepare_job_create;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate_job;
  k.validate_update = validate_job_update;
  k.warnings = job_warnings;
  k.orphans_by_default = true;
  k.delete_warning =
      "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
      "propagationPolicy=Orphan to suppress this warning";
  k.columns = {
      name_column(),
      {"Status", kText, [](Value o) { return job_status(o); }},
      {"Completions", kText, [](Value o) { return completions_text(o); }},
      {"Duration", kText, [](const TableRow& r) { return duration_text(r.object, r.now_us); }},
      age_column(),
      {"Containers", kWide, [](Value o) { return containers_text(o["spec"]["template"]["spec"]); }},
      {"Images", kWide, [](Value o) { return images_text(o["spec"]["template"]["spec"]); }},
      {"Selector", kWide, [](Value o) { return selector_text(o["spec"]["selector"]); }},
  };
  k.selectable = {{"status.successful", [](Value o) { return cat(o["status"]["succeeded"].integer()); }}};
}

}  // namespace bramble

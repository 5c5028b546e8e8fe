// Job: pods that run to an end; its defaults, labels and columns. job_validation.cc has its rules, job_status_rules.cc those of its status.
#include "core/base/clock.h"
#include "core/resources/cells.h"
#include "core/resources/conditions.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/job_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/selector.h"
#include "core/resources/spec_warnings.h"
#include "core/resources/transitions.h"
#include "core/resources/workload_rules.h"

namespace bramble {
namespace {


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
  default_job_template(spec);
}

// A Job without labels has those of its pods.
void take_labels(Mut o) {
  Mut labels = o["spec"]["template"]["metadata"]["labels"];
  if (labels.size() > 0 && o["metadata"]["labels"].size() == 0) o.object("metadata").set("labels", labels);
}

// Selector and labels from the Job's own uid, unless manualSelector. What the client wrote stays, and is refused if it differs.
void generate_selector(Mut o) {
  Mut spec = o.object("spec");
  const std::string uid = o["metadata"]["uid"].text(), name = o["metadata"]["name"].text();
  auto put = [](Mut map, std::string_view key, const std::string& text) {
    if (!map.has(key)) map.set(key, text);
  };
  Mut labels = spec.object("template").object("metadata").object("labels");
  put(labels, kJobUidLabel, uid);
  put(labels, kJobNameLabel, name);
  put(labels, "controller-uid", uid);
  put(labels, "job-name", name);
  put(spec.object("selector").object("matchLabels"), kJobUidLabel, uid);
}

void prepare_job_create(Mut o) {
  clear_status(o);
  if (!o["spec"]["manualSelector"].boolean()) generate_selector(o);
  take_labels(o);
}

void prepare_job_update(Mut o, Value old) {
  keep_status(o, old);
  take_labels(o);
}

void job_warnings(Value o, std::vector<std::string>& out) {
  name_warning(o, "Pod names and hostnames", out);
  job_spec_warnings(o["spec"], Path("spec"), out);
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
  const auto end = parse_rfc3339(status["completionTime"].str());
  return human_duration((end ? *end : now_us) - *start);
}

}  // namespace

void default_job_template(Mut spec) {
  for (Mut rule : spec["podFailurePolicy"]["rules"].items())
    for (Mut c : rule["onPodConditions"].items()) default_text(c, "status", "True");
  default_template(spec);
}

void job_spec_warnings(Value spec, const Path& at, std::vector<std::string>& out) {
  constexpr int64_t kManyCompletions = 100000, kManyPods = 10000;
  if (spec["completionMode"].str() != "Indexed") return;
  if (spec["completions"].integer() > kManyCompletions && spec["parallelism"].integer() > kManyPods)
    out.push_back(cat(at.text(),
                      ": In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes "
                      "might not be able to track completedIndexes when a big number of indexes fail"));
}

void job_rules(Kind& k) {
  k.set_defaults = default_job;
  k.prepare_create = prepare_job_create;
  k.prepare_update = prepare_job_update;
  k.prepare_status_update = keep_spec;
  k.validate = validate_job;
  k.validate_update = validate_job_update;
  k.validate_status_update = validate_job_status;
  k.meta_again = Kind::MetaAgain::kAsBoth;
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

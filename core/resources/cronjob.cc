// CronJob: Jobs by the clock; stored and shown, its controller comes later.
#include "core/resources/cells.h"
#include "core/resources/cron_schedule.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/transitions.h"
#include "core/resources/workload_rules.h"

namespace bramble {
namespace {

constexpr size_t kCronJobNameMax = 52;

void default_cronjob(Mut o) {
  Mut spec = o.object("spec");
  default_text(spec, "concurrencyPolicy", "Allow");
  default_bool(spec, "suspend", false);
  default_int(spec, "successfulJobsHistoryLimit", 3);
  default_int(spec, "failedJobsHistoryLimit", 1);
  Mut job = spec.object("jobTemplate");
  default_object(job, "metadata");
  default_template(job.object("spec"));
}

void validate_cronjob(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  const std::string_view schedule = spec["schedule"].str(), zone = spec["timeZone"].str();
  const Value job = spec["jobTemplate"]["spec"];
  if (schedule.empty()) {
    errors.required(at.at("schedule"));
  } else if (const std::string wrong = check_cron_schedule(schedule); !wrong.empty()) {
    errors.invalid(at.at("schedule"), schedule, wrong);
  }
  if (spec.has("timeZone")) {
    if (zone.empty())
      errors.invalid(at.at("timeZone"), zone, "timeZone must be nil or non-empty string");
    else if (const std::string wrong = check_time_zone(zone); !wrong.empty())
      errors.invalid(at.at("timeZone"), zone, wrong);
  }
  for (const char* f : {"startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"})
    validate_nonnegative(spec[f], at.at(f), errors);
  validate_one_of(spec["concurrencyPolicy"].str(), {"Allow", "Forbid", "Replace"}, at.at("concurrencyPolicy"), true,
                  errors);
  const Path job_at = at.at("jobTemplate").at("spec");
  if (job["manualSelector"].boolean()) errors.not_supported(job_at.at("manualSelector"), "true", {"nil", "false"});
  validate_job_spec(job, job_at, errors);
}

std::vector<std::string> cronjob_name(std::string_view name, bool prefix) {
  auto out = name_is_subdomain(name, prefix);
  if (name.size() > kCronJobNameMax) out.push_back(cat("must be no more than ", kCronJobNameMax, " characters"));
  return out;
}

Value pod_spec_of(Value o) { return o["spec"]["jobTemplate"]["spec"]["template"]["spec"]; }

}  // namespace

void cronjob_rules(Kind& k) {
  k.set_defaults = default_cronjob;
  k.prepare_create = clear_status;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate_cronjob;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_cronjob(o, errors); };
  k.validate_name = cronjob_name;
  k.columns = {
      name_column(),
      {"Schedule", kText, [](Value o) { return o["spec"]["schedule"].str(); }},
      {"Timezone", kText, [](Value o) { return o["spec"]["timeZone"].str("<none>"); }},
      {"Suspend", kBoolean, [](Value o) { return o["spec"]["suspend"].boolean() ? "True" : "False"; }},
      {"Active", kInteger, [](Value o) { return count_of(o["status"]["active"]); }},
      {"Last Schedule", kText, [](const TableRow& r) {
         const std::string_view last = r.object["status"]["lastScheduleTime"].str();
         return last.empty() ? std::string("<none>") : age_text(last, r.now_us);
       }},
      age_column(),
      {"Containers", kWide, [](Value o) { return containers_text(pod_spec_of(o)); }},
      {"Images", kWide, [](Value o) { return images_text(pod_spec_of(o)); }},
      {"Selector", kWide, [](Value o) { return selector_text(o["spec"]["jobTemplate"]["spec"]["selector"]); }},
  };
}

}  // namespace bramble

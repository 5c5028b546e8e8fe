// CronJob: Jobs by the clock.
#include "core/resources/cells.h"
#include "core/resources/cron_schedule.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/job_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/spec_warnings.h"
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
  default_job_template(job.object("spec"));
}

void validate_schedule(Value spec, Value old_spec, const Path& at, FieldErrors& errors) {
  const std::string_view schedule = spec["schedule"].str();
  if (schedule.empty()) return errors.required(at);
  auto has_zone = [](std::string_view s) { return s.find("TZ") != std::string_view::npos; };
  if (const std::string wrong = check_cron_schedule(schedule); !wrong.empty()) errors.invalid(at, schedule, wrong);
  if (!has_zone(schedule)) return;
  if (!has_zone(old_spec["schedule"].str()))
    errors.invalid(at, schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
  else if (spec.has("timeZone"))
    errors.invalid(at, schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule");
}

void validate_zone(std::string_view zone, const Path& at, FieldErrors& errors) {
  constexpr size_t kPartMax = 14;
  if (zone.empty()) return errors.invalid(at, zone, "timeZone must be nil or non-empty string");
  for (std::string_view part : split(zone, '/')) {
    bool fits = !part.empty() && part.size() <= kPartMax && part != "." && part != ".." && part[0] != '-';
    for (char c : part) {
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'), digit = c >= '0' && c <= '9';
      fits = fits && (letter || digit || std::string_view("._-+").find(c) != std::string_view::npos);
    }
    if (!fits) return errors.invalid(at, zone, cat("unknown time zone ", zone));
  }
  if (equals_ignore_case(zone, "Local"))
    errors.invalid(at, zone, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones");
  if (const std::string wrong = time_zone_fault(zone); !wrong.empty()) errors.invalid(at, zone, wrong);
}

void validate_spec(Value spec, Value old_spec, FieldErrors& errors) {
  const Path at("spec");
  const std::string_view zone = spec["timeZone"].str();
  validate_schedule(spec, old_spec, at.at("schedule"), errors);
  validate_nonnegative(spec["startingDeadlineSeconds"], at.at("startingDeadlineSeconds"), errors);
  if (spec.has("timeZone") && !equal(spec["timeZone"], old_spec["timeZone"])) validate_zone(zone, at.at("timeZone"), errors);
  validate_one_of(spec["concurrencyPolicy"].str(), {"Allow", "Forbid", "Replace"}, at.at("concurrencyPolicy"), true, errors);
  const Value job = spec["jobTemplate"]["spec"];
  const Path job_at = at.at("jobTemplate").at("spec");
  validate_job_template(job, job_at, errors);
  if (job["selector"].is_object()) errors.invalid(job_at.at("selector"), job["selector"], "`selector` will be auto-generated");
  if (job["manualSelector"].boolean()) errors.not_supported_raw(job_at.at("manualSelector"), "true", {"nil", "false"});
  for (const char* f : {"successfulJobsHistoryLimit", "failedJobsHistoryLimit"}) validate_nonnegative(spec[f], at.at(f), errors);
}

void validate_cronjob(Value o, FieldErrors& errors) {
  validate_spec(o["spec"], Value(), errors);
  // Its Jobs' names are longer by the time.
  const std::string_view name = o["metadata"]["name"].str();
  if (name.size() > kCronJobNameMax)
    errors.invalid(Path("metadata").at("name"), name, cat("must be no more than ", kCronJobNameMax, " characters"));
}

void warnings(Value o, std::vector<std::string>& out) {
  name_warning(o, "Pod names and hostnames", out);
  const Value job = o["spec"]["jobTemplate"]["spec"];
  const Path at = Path("spec").at("jobTemplate").at("spec");
  job_spec_warnings(job, at, out);
  template_warnings(job["template"], at.at("template"), out);
  if (!is_new(o) && o["spec"]["schedule"].str().find("TZ") != std::string_view::npos)
    out.push_back("cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see "
                  "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details");
}

Value pod_spec_of(Value o) { return o["spec"]["jobTemplate"]["spec"]["template"]["spec"]; }

}  // namespace

void cronjob_rules(Kind& k) {
  k.set_defaults = default_cronjob;
  k.prepare_create = clear_status;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate_cronjob;
  k.validate_update = [](Value o, Value old, FieldErrors& errors) { validate_spec(o["spec"], old["spec"], errors); };
  k.warnings = warnings;
  k.columns = {
      name_column(),
      {"Schedule", kText, [](Value o) { return o["spec"]["schedule"].str(); }},
      {"Timezone", kText, [](Value o) { return o["spec"]["timeZone"].str("<none>"); }},
      {"Suspend", kBoolean, [](Value o) { return !o["spec"].has("suspend") ? "<unset>" : o["spec"]["suspend"].boolean() ? "True" : "False"; }},
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

// What the status of a Job may become (batch ValidateJobStatusUpdate). Most rules hold only for what an update changes, so that
// a status from before may still be mended.
#include <set>

#include "core/base/clock.h"
#include "core/resources/conditions.h"
#include "core/resources/field_rules.h"
#include "core/resources/internal_form.h"
#include "core/resources/job_rules.h"
#include "core/resources/shared_rules.h"

namespace bramble {
namespace {

struct Interval {
  int64_t low = 0, high = 0;
};

// Empty and `fault` set when the text is none.
std::optional<Interval> parse_interval(std::string_view text, int64_t completions, std::string& fault) {
  const auto ends = split(text, '-');
  if (ends.size() > 2) {
    fault = cat("the fragment ", go_quote(text), " violates the requirement that an index interval can have at most two parts separated by '-'");
    return std::nullopt;
  }
  int64_t numbers[2] = {0, 0};
  for (size_t i = 0; i < ends.size(); ++i) {
    const auto n = parse_int64(ends[i]);
    if (!n) {
      fault = cat("cannot convert string to integer for index: ", go_quote(ends[i]));
      return std::nullopt;
    }
    if (*n >= completions) {
      fault = cat("too large index: ", go_quote(ends[i]));
      return std::nullopt;
    }
    numbers[i] = *n;
  }
  if (ends.size() == 1) return Interval{numbers[0], numbers[0]};
  if (numbers[0] < numbers[1]) return Interval{numbers[0], numbers[1]};
  fault = cat("non-increasing order, previous: ", numbers[0], ", current: ", numbers[1]);
  return std::nullopt;
}

std::vector<Interval> intervals_of(std::string_view text, int64_t completions) {
  std::vector<Interval> out;
  std::string fault;
  if (text.empty()) return out;
  for (std::string_view part : split(text, ','))
    if (const auto i = parse_interval(part, completions, fault)) out.push_back(*i);
  return out;
}

// The status before and after, and what differs.
struct Change {
  Value o, old;
  Value now() const { return o["status"]; }
  Value was() const { return old["status"]; }
  bool is(const char* condition) const { return condition_is_true(o, condition); }
  bool was(const char* condition) const { return condition_is_true(old, condition); }
  bool turned(const char* condition) const { return is(condition) != was(condition); }
  bool finished() const { return is("Complete") || is("Failed"); }
  bool finish_turned() const { return finished() != (was("Complete") || was("Failed")); }
  bool differs(const char* field) const { return !equal(now()[field], was()[field]); }
  bool number_differs(const char* field) const { return now()[field].integer() != was()[field].integer(); }
};

const Path kStatus("status");

void validate_uncounted(Value uncounted, FieldErrors& errors) {
  std::set<std::string, std::less<>> seen;
  for (const char* list : {"succeeded", "failed"})
    for (size_t i = 0; i < uncounted[list].size(); ++i) {
      const std::string_view uid = uncounted[list].item(i).str();
      const Path at = kStatus.at("uncountedTerminatedPods").at(list).at(i);
      if (uid.empty())
        errors.invalid(at, uid, "must not be empty");
      else if (!seen.insert(std::string(uid)).second)
        errors.duplicate(at, uid);
    }
}

void validate_times(const Change& c, FieldErrors& errors) {
  const Value end = c.now()["completionTime"], start = c.now()["startTime"];
  const Path end_at = kStatus.at("completionTime");
  if (c.turned("Complete") || c.differs("completionTime")) {
    if (end.exists() && !c.is("Complete")) errors.invalid(end_at, end, "cannot set completionTime when there is no Complete=True condition");
    if (!end.exists() && c.is("Complete")) errors.required(end_at, "completionTime is required for Complete jobs");
  }
  if ((c.differs("startTime") || c.differs("completionTime")) && start.exists() && end.exists()) {
    const auto a = parse_rfc3339(start.str()), b = parse_rfc3339(end.str());
    if (a && b && *b < *a) errors.invalid(end_at, end, "must be equal to or after `startTime`");
  }
}

void validate_conditions(const Change& c, FieldErrors& errors) {
  const Path at = kStatus.at("conditions");
  if ((c.turned("Failed") || c.differs("failedIndexes")) && c.is("Failed") && !c.is("FailureTarget"))
    add_invalid_omitted(at, "cannot set Failed=True condition without the FailureTarget=true condition", errors);
  if ((c.turned("Complete") || c.turned("SuccessCriteriaMet")) && c.is("Complete") && !c.is("SuccessCriteriaMet"))
    add_invalid_omitted(at, "cannot set Complete=True condition without the SuccessCriteriaMet=true condition", errors);
}

void validate_finished(const Change& c, FieldErrors& errors) {
  const Value status = c.now(), spec = c.o["spec"];
  if ((c.finish_turned() || c.number_differs("active")) && status["active"].integer() > 0 && c.finished())
    errors.invalid(kStatus.at("active"), status["active"].integer(), "active>0 is invalid for finished job");
  const bool never_ran = spec["suspend"].boolean() && spec.has("completions") && spec["completions"].integer() == 0;
  if ((c.finish_turned() || c.differs("startTime")) && !never_ran && !status.has("startTime") && c.finished())
    errors.required(kStatus.at("startTime"), "startTime is required for finished job");
  const Value uncounted = status["uncountedTerminatedPods"];
  if ((c.finish_turned() || c.differs("uncountedTerminatedPods")) && c.finished() &&
      uncounted["failed"].size() + uncounted["succeeded"].size() > 0)
    errors.invalid(kStatus.at("uncountedTerminatedPods"), internal_form(uncounted, "batch.v1.UncountedTerminatedPods").root(),
                   "must be empty for finished job");
}

void validate_indexes(const Change& c, FieldErrors& errors) {
  const Value spec = c.o["spec"], failed = c.now()["failedIndexes"];
  const std::string_view completed = c.now()["completedIndexes"].str();
  const Path completed_at = kStatus.at("completedIndexes"), failed_at = kStatus.at("failedIndexes");
  const int64_t completions = spec["completions"].integer();
  const bool completed_differ = completed != c.was()["completedIndexes"].str(), failed_differ = c.differs("failedIndexes");
  if (completed_differ && spec.has("completions"))
    if (const std::string fault = count_indexes(completed, completions).fault; !fault.empty())
      errors.invalid(completed_at, completed, cat("error parsing completedIndexes: ", fault));
  if (failed_differ && spec.has("completions") && spec.has("backoffLimitPerIndex") && failed.exists())
    if (const std::string fault = count_indexes(failed.str(), completions).fault; !fault.empty())
      errors.invalid(failed_at, failed, cat("error parsing failedIndexes: ", fault));
  if (completed_differ && !completed.empty() && spec["completionMode"].str() != "Indexed")
    errors.invalid(completed_at, completed, "cannot set non-empty completedIndexes when non-indexed completion mode");
  if (failed_differ && failed.exists() && !spec.has("backoffLimitPerIndex"))
    errors.invalid(failed_at, failed, "cannot set non-null failedIndexes when backoffLimitPerIndex is null");
  if ((failed_differ || completed_differ) && spec.has("completions") && failed.exists())
    if (const auto both = first_common_index(completed, failed.str(), completions))
      errors.invalid(failed_at, failed, cat("failedIndexes and completedIndexes overlap at index: ", *both));
}

void validate_success(const Change& c, FieldErrors& errors) {
  const Path at = kStatus.at("conditions");
  const bool met = c.is("SuccessCriteriaMet");
  if (met && c.is("Failed")) add_invalid_omitted(at, "cannot set SuccessCriteriaMet=True and Failed=true conditions", errors);
  if (met && c.is("FailureTarget")) add_invalid_omitted(at, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions", errors);
  if (c.o["spec"].has("successPolicy") && !met && c.is("Complete"))
    add_invalid_omitted(at, "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True", errors);
}

// What was reached is not taken back.
void validate_progress(const Change& c, FieldErrors& errors) {
  const Path at = kStatus.at("conditions");
  const Value spec = c.o["spec"], now = c.now(), was = c.was();
  for (const char* type : {"Failed", "Complete", "FailureTarget"})
    if (c.was(type) && !c.is(type)) add_invalid_omitted(at, cat("cannot disable the terminal ", type, "=True condition"), errors);
  auto decreased = [&](const char* f) { return now[f].integer() < was[f].integer(); };
  if (decreased("failed")) errors.invalid(kStatus.at("failed"), now["failed"].integer(), "cannot decrease the failed counter");
  // An indexed Job may be scaled down.
  const bool scalable = spec["completionMode"].str() == "Indexed" && equal(spec["completions"], spec["parallelism"]);
  if (!scalable && decreased("succeeded"))
    errors.invalid(kStatus.at("succeeded"), now["succeeded"].integer(), "cannot decrease the succeeded counter");
  if (now.has("completionTime") && was.has("completionTime") && c.differs("completionTime"))
    errors.invalid(kStatus.at("completionTime"), now["completionTime"], kFieldImmutable);
  const bool resumes = c.was("Suspended") && condition_status(c.o, "Suspended") == "False";
  if (!resumes && was.has("startTime") && c.differs("startTime") && !spec["suspend"].boolean())
    errors.invalid(kStatus.at("startTime"), now["startTime"], "field is immutable for unsuspended job once set");
  if (c.was("SuccessCriteriaMet") && !c.is("SuccessCriteriaMet")) add_invalid_omitted(at, "cannot disable the SuccessCriteriaMet=True condition", errors);
  if (c.was("Complete") && !c.was("SuccessCriteriaMet") && c.is("SuccessCriteriaMet"))
    add_invalid_omitted(at, "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions", errors);
}

}  // namespace

IndexCount count_indexes(std::string_view text, int64_t completions) {
  IndexCount out;
  if (text.empty()) return out;
  std::optional<int64_t> last;
  for (std::string_view part : split(text, ',')) {
    const auto i = parse_interval(part, completions, out.fault);
    if (i && last && *last >= i->low) out.fault = cat("non-increasing order, previous: ", *last, ", current: ", i->low);
    if (!out.fault.empty()) return {0, out.fault};
    out.total += i->high - i->low + 1;
    last = i->high;
  }
  return out;
}

std::optional<int64_t> first_common_index(std::string_view a, std::string_view b, int64_t completions) {
  const auto as = intervals_of(a, completions), bs = intervals_of(b, completions);
  for (size_t i = 0, j = 0; i < as.size() && j < bs.size();) {
    if (as[i].low <= bs[j].high && bs[j].low <= as[i].high) return std::max(as[i].low, bs[j].low);
    as[i].low <= bs[j].low ? ++i : ++j;
  }
  return std::nullopt;
}

void validate_job_status(Value o, Value old, FieldErrors& errors) {
  const Change c{o, old};
  const Value status = c.now();
  for (const char* f : {"active", "succeeded", "failed", "ready", "terminating"}) validate_nonnegative(status[f], kStatus.at(f), errors);
  validate_uncounted(status["uncountedTerminatedPods"], errors);
  const Path at = kStatus.at("conditions");
  if ((c.turned("Complete") || c.turned("Failed")) && c.is("Complete") && c.is("Failed"))
    add_invalid_omitted(at, "cannot set Complete=True and Failed=true conditions", errors);
  if ((c.turned("Complete") || c.turned("FailureTarget")) && c.is("Complete") && c.is("FailureTarget"))
    add_invalid_omitted(at, "cannot set Complete=True and FailureTarget=true conditions", errors);
  validate_times(c, errors);
  validate_conditions(c, errors);
  validate_finished(c, errors);
  validate_indexes(c, errors);
  if ((c.finish_turned() || c.differs("terminating")) && c.finished() && status["terminating"].integer() > 0)
    errors.invalid(kStatus.at("terminating"), status["terminating"].integer(), "terminating>0 is invalid for finished job");
  if ((c.differs("ready") || c.number_differs("active")) && status["ready"].integer() > status["active"].integer())
    errors.invalid(kStatus.at("ready"), status["ready"].integer(), "cannot set more ready pods than active");
  validate_success(c, errors);
  validate_progress(c, errors);
}

}  // namespace bramble

// What Jobs and the template of a CronJob share, and the parts of a Job's rules: job.cc (defaults, labels), job_validation.cc
// (the spec and what may change of it), job_status_rules.cc. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/json/builder.h"
#include "core/resources/field_error.h"

namespace bramble {

// A JobSpec without its selector, in a Job or in a CronJob's template.
void default_job_template(Mut job_spec);
void validate_job_template(Value job_spec, const Path& at, FieldErrors& errors);
void job_spec_warnings(Value job_spec, const Path& at, std::vector<std::string>& out);

void validate_job(Value job, FieldErrors& errors);
void validate_job_update(Value job, Value old, FieldErrors& errors);
void validate_job_status(Value job, Value old, FieldErrors& errors);

inline constexpr std::string_view kJobUidLabel = "batch.kubernetes.io/controller-uid",
                                  kJobNameLabel = "batch.kubernetes.io/job-name";

// "0,2-4" of indexes below `completions`: how many, or what is wrong with the text.
struct IndexCount {
  int64_t total = 0;
  std::string fault;
};
IndexCount count_indexes(std::string_view text, int64_t completions);
// The first index in both lists; parts that are no indexes are passed over.
std::optional<int64_t> first_common_index(std::string_view a, std::string_view b, int64_t completions);

}  // namespace bramble

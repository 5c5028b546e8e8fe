// What a JobSpec may say (batch validateJobSpec), and what may change of it.
#include <set>

#include "core/resources/conditions.h"
#include "core/resources/field_rules.h"
#include "core/resources/internal_form.h"
#include "core/resources/job_rules.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/selector.h"
#include "core/resources/shared_rules.h"

namespace bramble {
namespace {

constexpr int64_t kIndexedPodsMax = 100000, kFailedIndexesMax = 100000, kManyCompletions = 100000, kManyCompletionsPodsMax = 10000,
                  kManyCompletionsFailedMax = 10000;
constexpr size_t kFailureRulesMax = 20, kExitCodesMax = 255, kConditionPatternsMax = 20, kSuccessRulesMax = 20,
                 kManagedByMax = 63, kSucceededIndexesMax = 64 * 1024;

bool is_indexed(Value spec) { return spec["completionMode"].str() == "Indexed"; }

// One of a few words; empty is a fault that names them.
void validate_word(std::string_view word, const std::vector<std::string_view>& valid, const Path& at, FieldErrors& errors) {
  if (!word.empty()) return validate_one_of(word, valid, at, true, errors);
  std::string list;
  for (std::string_view v : valid) list += cat(list.empty() ? "" : " ", go_quote(v));
  errors.required(at, cat("valid values: [", list, "]"));
}

void validate_exit_codes(Value codes, const std::set<std::string_view>& containers, const Path& at, FieldErrors& errors) {
  validate_word(codes["operator"].str(), {"In", "NotIn"}, at.at("operator"), errors);
  if (codes.has("containerName") && !containers.count(codes["containerName"].str()))
    errors.invalid(at.at("containerName"), codes["containerName"].str(),
                   "must be one of the container or initContainer names in the pod template");
  const Path values_at = at.at("values");
  const Value values = codes["values"];
  if (values.size() == 0)
    errors.invalid(values_at, values, "at least one value is required");
  else if (values.size() > kExitCodesMax)
    errors.too_many(values_at, values.size(), kExitCodesMax);
  std::set<int64_t> seen;
  bool ordered = true;
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t code = values.item(i).integer();
    if (codes["operator"].str() == "In" && code == 0) errors.invalid(values_at.at(i), code, "must not be 0 for the In operator");
    if (!seen.insert(code).second) errors.duplicate_raw(values_at.at(i), cat(code));
    if (i > 0 && values.item(i - 1).integer() > code) ordered = false;
  }
  if (!ordered) errors.invalid(values_at, values, "must be ordered");
}

void validate_failure_rule(Value spec, Value rule, const std::set<std::string_view>& containers, const Path& at, FieldErrors& errors) {
  const std::string_view action = rule["action"].str();
  if (action == "FailIndex") {
    if (!spec.has("backoffLimitPerIndex")) errors.invalid(at.at("action"), action, "requires the backoffLimitPerIndex to be set");
  } else {
    validate_word(action, {"Count", "FailIndex", "FailJob", "Ignore"}, at.at("action"), errors);
  }
  const bool codes = rule["onExitCodes"].is_object();
  const Value patterns = rule["onPodConditions"];
  if (codes) validate_exit_codes(rule["onExitCodes"], containers, at.at("onExitCodes"), errors);
  const Path patterns_at = at.at("onPodConditions");
  if (patterns.size() > kConditionPatternsMax) errors.too_many(patterns_at, patterns.size(), kConditionPatternsMax);
  for (size_t i = 0; i < patterns.size(); ++i) {
    const Value p = patterns.item(i);
    add_invalid(patterns_at.at(i).at("type"), p["type"].str(), check_qualified_name(p["type"].str()), errors);
    validate_word(p["status"].str(), {"False", "True", "Unknown"}, patterns_at.at(i).at("status"), errors);
  }
  if (codes && patterns.size() > 0) add_invalid_omitted(at, "specifying both OnExitCodes and OnPodConditions is not supported", errors);
  if (!codes && patterns.size() == 0) add_invalid_omitted(at, "specifying one of OnExitCodes and OnPodConditions is required", errors);
}

void validate_failure_policy(Value spec, const Path& at, FieldErrors& errors) {
  const Value rules = spec["podFailurePolicy"]["rules"], pod = spec["template"]["spec"];
  if (rules.size() > kFailureRulesMax) errors.too_many(at.at("rules"), rules.size(), kFailureRulesMax);
  std::set<std::string_view> containers;
  for (const char* list : {"containers", "initContainers"})
    for (Value c : pod[list].items()) containers.insert(c["name"].str());
  for (size_t i = 0; i < rules.size(); ++i) validate_failure_rule(spec, rules.item(i), containers, at.at("rules").at(i), errors);
}

void validate_success_rule(Value rule, int64_t completions, const Path& at, FieldErrors& errors) {
  const bool by_count = rule.has("succeededCount"), by_index = rule.has("succeededIndexes");
  if (!by_count && !by_index) errors.required(at, "at least one of succeededCount or succeededIndexes must be specified");
  IndexCount indexes;
  if (by_index) {
    const std::string_view text = rule["succeededIndexes"].str();
    const Path here = at.at("succeededIndexes");
    if (text.size() > kSucceededIndexesMax) errors.too_long(here, kSucceededIndexesMax);
    indexes = count_indexes(text, completions);
    if (!indexes.fault.empty()) errors.invalid(here, text, cat("error parsing succeededIndexes: ", indexes.fault));
  }
  if (!by_count) return;
  const int64_t count = rule["succeededCount"].integer();
  const Path here = at.at("succeededCount");
  validate_nonnegative(rule["succeededCount"], here, errors);
  if (count > completions)
    errors.invalid(here, count, cat("must be less than or equal to ", completions, " (the number of specified completions)"));
  if (by_index && count > indexes.total)
    errors.invalid(here, count,
                   cat("must be less than or equal to ", indexes.total, " (the number of indexes in the specified succeededIndexes field)"));
}

void validate_success_policy(Value spec, const Path& at, FieldErrors& errors) {
  if (!is_indexed(spec))
    return errors.invalid(at, internal_form(spec["successPolicy"], "batch.v1.SuccessPolicy").root(), "requires indexed completion mode");
  const Value rules = spec["successPolicy"]["rules"];
  if (rules.size() == 0) errors.required(at.at("rules"), "at least one rules must be specified when the successPolicy is specified");
  if (rules.size() > kSuccessRulesMax) errors.too_many(at.at("rules"), rules.size(), kSuccessRulesMax);
  for (size_t i = 0; i < rules.size(); ++i)
    validate_success_rule(rules.item(i), spec["completions"].integer(), at.at("rules").at(i), errors);
}

// Limits of Jobs whose pods have numbers.
void validate_indexed(Value spec, const Path& at, FieldErrors& errors) {
  const Value completions = spec["completions"], failed = spec["maxFailedIndexes"];
  const int64_t pods = spec["parallelism"].integer();
  if (!completions.exists()) errors.required(at.at("completions"), "when completion mode is Indexed");
  if (pods > kIndexedPodsMax)
    errors.invalid(at.at("parallelism"), pods, cat("must be less than or equal to ", kIndexedPodsMax, " when completion mode is Indexed"));
  if (completions.exists() && failed.exists() && failed.integer() > completions.integer())
    errors.invalid(at.at("maxFailedIndexes"), failed.integer(), "must be less than or equal to completions");
  if (failed.integer() > kFailedIndexesMax)
    errors.invalid(at.at("maxFailedIndexes"), failed.integer(), cat("must be less than or equal to ", kFailedIndexesMax));
  if (completions.integer() <= kManyCompletions || !spec.has("backoffLimitPerIndex")) return;
  if (!failed.exists()) errors.required(at.at("maxFailedIndexes"), cat("must be specified when completions is above ", kManyCompletions));
  auto limit = [&](const char* f, int64_t value, int64_t most) {
    if (value > most)
      errors.invalid(at.at(f), value, cat("must be less than or equal to ", most, " when completions are above ", kManyCompletions,
                                          " and used with backoff limit per index"));
  };
  limit("parallelism", pods, kManyCompletionsPodsMax);
  limit("maxFailedIndexes", failed.integer(), kManyCompletionsFailedMax);
}

void validate_restart_policy(Value spec, const Path& at, FieldErrors& errors) {
  const std::string_view policy = spec["template"]["spec"]["restartPolicy"].str();
  if (policy == "Always" || policy.empty())
    errors.required(at, "valid values: \"OnFailure\", \"Never\"");
  else if (policy != "OnFailure" && policy != "Never")
    errors.not_supported(at, policy, {"OnFailure", "Never"});
  else if (spec["podFailurePolicy"].is_object() && policy != "Never")
    errors.invalid(at, policy, "only \"Never\" is supported when podFailurePolicy is specified");
}

void validate_label(Value labels, std::string_view key, std::string_view want, FieldErrors& errors) {
  const Path at = Path("spec").at("template").at("metadata").at("labels").key(key);
  if (!labels.has(key))
    errors.required(at, cat("must be '", want, "'"));
  else if (labels[key].str() != want)
    errors.invalid(at, labels, cat("must be '", want, "'"));
}

void validate_generated_selector(Value o, bool with_new_labels, FieldErrors& errors) {
  const Value spec = o["spec"], labels = spec["template"]["metadata"]["labels"];
  if (spec["manualSelector"].boolean() || !spec["selector"].is_object()) return;
  const std::string uid = o["metadata"]["uid"].text(), name = o["metadata"]["name"].text();
  if (uid.empty()) errors.required(Path("metadata").at("uid"));
  Builder expected;
  auto expect = [&](std::string_view key, const std::string& text) {
    validate_label(labels, key, text, errors);
    expected.root().set(key, text);
  };
  expect("controller-uid", uid);
  expect("job-name", name);
  if (with_new_labels) {
    expect(kJobUidLabel, uid);
    expect(kJobNameLabel, name);
  }
  const auto selector = LabelSelector::from_object(spec["selector"]);
  const Document wanted = expected.finish();
  if (selector.ok() && !selector->matches(wanted.root()))
    errors.invalid(Path("spec").at("selector"), spec["selector"], "`selector` not auto-generated");
}

void validate_job_spec(Value spec, FieldErrors& errors) {
  const Path at("spec");
  validate_job_template(spec, at, errors);
  const Value selector = spec["selector"], labels = spec["template"]["metadata"]["labels"];
  if (!selector.is_object())
    errors.required(at.at("selector"));
  else
    validate_label_selector(selector, at.at("selector"), errors);
  const auto parsed = LabelSelector::from_object(selector);
  if (parsed.ok() && !parsed->matches(labels))
    errors.invalid(at.at("template").at("metadata").at("labels"), labels, "`selector` does not match template `labels`");
}

void validate_whole_job(Value o, bool with_new_labels, FieldErrors& errors) {
  const Value spec = o["spec"];
  validate_generated_selector(o, with_new_labels, errors);
  validate_job_spec(spec, errors);
  if (!is_indexed(spec) || spec["completions"].integer() <= 0) return;
  // The last pod's hostname.
  const std::string name = o["metadata"]["name"].text(), host = cat(name, "-", spec["completions"].integer() - 1);
  if (!check_dns1123_label(host).empty())
    errors.invalid(Path("metadata").at("name"), name, cat("will not able to create pod with invalid DNS label: ", host));
}

void validate_completions_change(Value spec, Value old_spec, const Path& at, FieldErrors& errors) {
  const Value now = spec["completions"];
  if (!is_indexed(spec)) return validate_immutable(now, old_spec["completions"], at, errors);
  if (now.exists() && !equal(now, old_spec["completions"]) && now.integer() != spec["parallelism"].integer())
    errors.invalid(at, now, "can only be modified in tandem with spec.parallelism");
}

// A suspended Job that has no pods may still be told where to run and how much to take.
bool pods_may_change(Value old) {
  return old["spec"]["suspend"].boolean() && (!old["status"].has("startTime") || condition_is_true(old, "Suspended")) &&
         old["status"]["active"].integer() == 0;
}

void allow_placement(Mut was, Value now) {
  Mut spec = was.object("spec");
  const Value affinity = now["spec"]["affinity"];
  if (affinity.is_object()) {
    spec.object("affinity").set("nodeAffinity", affinity["nodeAffinity"]);
  } else if (Mut a = spec["affinity"]; a.is_object()) {
    a.remove("nodeAffinity");
    if (a.size() == 0) spec.remove("affinity");
  }
  for (const char* f : {"nodeSelector", "tolerations", "schedulingGates"}) spec.set(f, now["spec"][f]);
  for (const char* f : {"annotations", "labels"}) {
    if (now["metadata"].has(f) || was["metadata"].has(f)) was.object("metadata").set(f, now["metadata"][f]);
  }
}

void allow_resources(Mut was, Value now) {
  for (const char* list : {"containers", "initContainers"}) {
    if (was[list].size() != now[list].size()) continue;
    for (size_t i = 0; i < now[list].size(); ++i)
      if (was[list].item(i)["name"].str() == now[list].item(i)["name"].str())
        was[list].item(i).set("resources", now[list].item(i)["resources"]);
  }
}

void validate_template_change(Value o, Value old, FieldErrors& errors) {
  const Path at = Path("spec").at("template");
  const Value now = o["spec"]["template"];
  Builder b(old["spec"]["template"]);
  const bool may = pods_may_change(old) && b.root().is_object() && now.is_object();
  if (may) {
    allow_placement(b.root(), now);
    allow_resources(b.root().object("spec"), now["spec"]);
  }
  const Document was = b.finish();
  if (may) {
    if (!equal(now["spec"], was["spec"]))
      errors.invalid(at.at("spec"), internal_form(now["spec"], "core.v1.PodSpec").root(), kFieldImmutable);
  } else if (!equal(now, was.root())) {
    errors.invalid(at, internal_form(now, "core.v1.PodTemplateSpec").root(), kFieldImmutable);
  }
}

void validate_fixed(Value spec, Value old_spec, const char* field, std::string_view type, FieldErrors& errors) {
  const Value now = spec[field];
  if (!equal(now, old_spec[field])) errors.invalid(Path("spec").at(field), internal_form(now, type).root(), kFieldImmutable);
}

}  // namespace

void validate_job_template(Value spec, const Path& at, FieldErrors& errors) {
  for (const char* f : {"parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
                        "backoffLimitPerIndex", "maxFailedIndexes"})
    validate_nonnegative(spec[f], at.at(f), errors);
  if (spec.has("maxFailedIndexes") && !spec.has("backoffLimitPerIndex"))
    errors.required(at.at("backoffLimitPerIndex"), "when maxFailedIndexes is specified");
  if (spec.has("managedBy")) {
    validate_domain_path(spec["managedBy"].str(), at.at("managedBy"), errors);
    if (spec["managedBy"].str().size() > kManagedByMax) errors.too_long(at.at("managedBy"), kManagedByMax);
  }
  const std::string_view mode = spec["completionMode"].str();
  if (spec.has("completionMode") && mode != "NonIndexed" && mode != "Indexed")
    errors.not_supported(at.at("completionMode"), mode, {"NonIndexed", "Indexed"});
  if (is_indexed(spec)) validate_indexed(spec, at, errors);
  if (!spec.has("completionMode") || mode == "NonIndexed")
    for (const char* f : {"backoffLimitPerIndex", "maxFailedIndexes"})
      if (spec.has(f)) errors.invalid(at.at(f), spec[f].integer(), "requires indexed completion mode");
  if (spec["podFailurePolicy"].is_object()) validate_failure_policy(spec, at.at("podFailurePolicy"), errors);
  if (spec["successPolicy"].is_object()) validate_success_policy(spec, at.at("successPolicy"), errors);
  if (const std::string_view policy = spec["podReplacementPolicy"].str(); spec.has("podReplacementPolicy")) {
    const bool strict = spec["podFailurePolicy"].is_object();
    if (policy != "Failed" && (strict || policy != "TerminatingOrFailed"))
      errors.not_supported(at.at("podReplacementPolicy"), policy,
                           strict ? std::vector<std::string_view>{"Failed"} : std::vector<std::string_view>{"Failed", "TerminatingOrFailed"});
  }
  validate_pod_template(spec["template"], at.at("template"), errors);
  validate_restart_policy(spec, at.at("template").at("spec").at("restartPolicy"), errors);
}

void validate_job(Value o, FieldErrors& errors) { validate_whole_job(o, true, errors); }

void validate_job_update(Value o, Value old, FieldErrors& errors) {
  const Value labels = old["spec"]["template"]["metadata"]["labels"], spec = o["spec"], was = old["spec"];
  validate_whole_job(o, labels.has(kJobNameLabel) && labels.has(kJobUidLabel), errors);
  validate_job_spec(spec, errors);
  validate_completions_change(spec, was, Path("spec").at("completions"), errors);
  validate_immutable(spec["selector"], was["selector"], Path("spec").at("selector"), errors);
  validate_template_change(o, old, errors);
  validate_immutable(spec["completionMode"], was["completionMode"], Path("spec").at("completionMode"), errors);
  validate_fixed(spec, was, "podFailurePolicy", "batch.v1.PodFailurePolicy", errors);
  validate_immutable(spec["backoffLimitPerIndex"], was["backoffLimitPerIndex"], Path("spec").at("backoffLimitPerIndex"), errors);
  validate_immutable(spec["managedBy"], was["managedBy"], Path("spec").at("managedBy"), errors);
  validate_fixed(spec, was, "successPolicy", "batch.v1.SuccessPolicy", errors);
}

}  // namespace bramble

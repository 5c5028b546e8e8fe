#include "core/resources/autoscaler_rules.h"

#include <optional>

#include "core/base/strings.h"
#include "core/resources/field_rules.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/schema/quantity.h"

namespace bramble {
namespace {

constexpr int64_t kWindowSecondsMax = 3600, kPeriodSecondsMax = 1800;

// Which apiVersions a reference may have.
enum class Versions { kAny, kWithGroup, kWellFormed };

void validate_segment(std::string_view text, std::string_view missing, const Path& at, FieldErrors& errors) {
  if (text.empty())
    errors.required(at, missing);
  else
    add_invalid(at, text, check_path_segment(text), errors);
}

std::string version_fault(std::string_view version, Versions allowed) {
  if (allowed == Versions::kAny) return {};
  const auto parts = split(version, '/');
  if (!version.empty() && version != "/" && parts.size() > 2) return cat("unexpected GroupVersion string: ", version);
  const bool grouped = parts.size() == 2 && !parts[0].empty();
  return allowed == Versions::kWithGroup && !grouped ? "apiVersion must specify API group" : "";
}

void validate_reference(Value ref, Versions allowed, const Path& at, FieldErrors& errors) {
  for (const char* f : {"kind", "name"}) validate_segment(ref[f].str(), {}, at.at(f), errors);
  const std::string_view version = ref["apiVersion"].str();
  if (const std::string fault = version_fault(version, allowed); !fault.empty()) errors.invalid(at.at("apiVersion"), version, fault);
}

void validate_amount(Value amount, const Path& at, FieldErrors& errors) {
  const auto q = Quantity::parse(amount.str("0"));
  if (amount.exists() && q.ok() && (q->negative() || q->is_zero())) errors.invalid(at, amount, "must be positive");
}

void validate_target(Value target, const Path& at, FieldErrors& errors) {
  const std::string_view type = target["type"].str();
  if (type.empty()) errors.required(at.at("type"), "must specify a metric target type");
  if (type != "Utilization" && type != "Value" && type != "AverageValue")
    errors.invalid(at.at("type"), type, "must be either Utilization, Value, or AverageValue");
  for (const char* f : {"value", "averageValue"}) validate_amount(target[f], at.at(f), errors);
  if (const Value share = target["averageUtilization"]; share.exists() && share.integer() < 1)
    errors.invalid(at.at("averageUtilization"), share.integer(), "must be greater than 0");
}

void validate_source(const char* field, Value source, Versions object_versions, const Path& at, FieldErrors& errors) {
  const std::string_view sort(field);
  const Value target = source["target"];
  const Path target_at = at.at("target");
  const bool value = target.has("value"), average = target.has("averageValue"), share = target.has("averageUtilization");
  if (sort == "object") validate_reference(source["describedObject"], object_versions, at.at("describedObject"), errors);
  if (sort == "object" || sort == "external" || sort == "pods") {
    validate_segment(source["metric"]["name"].str(), "must specify a metric name", at.at("metric").at("name"), errors);
    validate_target(target, target_at, errors);
    if (sort == "object" && !value && !average)
      errors.required(target_at.at("averageValue"), "must set either a target value or averageValue");
    if (sort == "external" && !value && !average)
      errors.required(target_at.at("averageValue"), "must set either a target value for metric or a per-pod target");
    if (sort == "external" && value && average)
      errors.forbidden(target_at.at("value"), "may not set both a target value for metric and a per-pod target");
    if (sort == "pods" && !average) errors.required(target_at.at("averageValue"), "must specify a positive target averageValue");
    return;
  }
  const std::string_view name = source["name"].str(), container = source["container"].str();
  if (name.empty())
    errors.required(at.at("name"), "must specify a resource name");
  else if (sort == "containerResource")
    validate_container_resource_name(name, at.at("name"), errors);
  if (sort == "containerResource") {
    if (container.empty())
      errors.required(at.at("container"), "must specify a container");
    else
      add_invalid(at.at("container"), container, check_dns1123_label(container), errors);
  }
  validate_target(target, target_at, errors);
  if (!share && !average) errors.required(target_at.at("averageUtilization"), "must set either a target raw value or a target utilization");
  if (share && average) errors.forbidden(target_at.at("averageValue"), "may not set both a target raw value and a target utilization");
}

void validate_metric(Value metric, Versions object_versions, const Path& at, FieldErrors& errors) {
  const std::string_view type = metric["type"].str();
  const MetricSource* expected = nullptr;
  for (const MetricSource& s : kMetricSources)
    if (s.type == type) expected = &s;
  auto unknown = [&] { errors.not_supported(at.at("type"), type, {"ContainerResource", "External", "Object", "Pods", "Resource"}); };
  if (type.empty()) errors.required(at.at("type"), "must specify a metric source type");
  if (!expected) unknown();
  size_t present = 0;
  for (const MetricSource& s : kMetricSources)
    if (metric.has(s.field) && ++present == 1) validate_source(s.field, metric[s.field], object_versions, at.at(s.field), errors);
  if (!expected)
    unknown();
  else if (!metric.has(expected->field))
    errors.required(at.at(expected->field), "must populate information for the given metric source");
  if (present == 1) return;
  for (const MetricSource& s : kMetricSources)
    if (metric.has(s.field) && &s != expected) errors.forbidden(at.at(s.field), "must populate the given metric source only");
}

void validate_scaling(Value rules, const Path& at, FieldErrors& errors) {
  if (!rules.is_object()) return;
  const Value window = rules["stabilizationWindowSeconds"], policies = rules["policies"];
  const Path window_at = at.at("stabilizationWindowSeconds");
  if (window.integer() < 0) errors.invalid(window_at, window.integer(), "must be greater than or equal to zero");
  if (window.integer() > kWindowSecondsMax) errors.invalid(window_at, window.integer(), cat("must be less than or equal to ", kWindowSecondsMax));
  if (rules.has("selectPolicy"))
    validate_one_of(rules["selectPolicy"].str(), {"Disabled", "Max", "Min"}, at.at("selectPolicy"), false, errors);
  if (policies.size() == 0) errors.required(at.at("policies"), "must specify at least one Policy");
  for (size_t i = 0; i < policies.size(); ++i) {
    const Value p = policies.item(i);
    const Path here = at.at("policies").at(i);
    const int64_t period = p["periodSeconds"].integer();
    if (const std::string_view type = p["type"].str(); type != "Pods" && type != "Percent")
      errors.not_supported(here.at("type"), type, {"Percent", "Pods"});
    if (p["value"].integer() <= 0) errors.invalid(here.at("value"), p["value"].integer(), "must be greater than zero");
    if (period <= 0) errors.invalid(here.at("periodSeconds"), period, "must be greater than zero");
    if (period > kPeriodSecondsMax) errors.invalid(here.at("periodSeconds"), period, cat("must be less than or equal to ", kPeriodSecondsMax));
  }
  const auto tolerance = Quantity::parse(rules["tolerance"].str("0"));
  if (tolerance.ok() && tolerance->negative()) errors.invalid(at.at("tolerance"), rules["tolerance"], kNotNegative);
}

// A target that was accepted once stays so. Of the kinds that scale only ReplicationController lives in the group without a name.
Versions target_versions(Value ref, Value old_ref) {
  if (old_ref.is_object() && ref["apiVersion"].str() == old_ref["apiVersion"].str() && ref["kind"].str() == old_ref["kind"].str())
    return Versions::kAny;
  return ref["kind"].str() == "ReplicationController" ? Versions::kWellFormed : Versions::kWithGroup;
}

Versions object_versions(Value old_spec) {
  for (Value m : old_spec["metrics"].items())
    if (m["type"].str() == "Object" && !version_fault(m["object"]["describedObject"]["apiVersion"].str(), Versions::kWellFormed).empty())
      return Versions::kAny;
  return Versions::kWellFormed;
}

}  // namespace

void validate_autoscaler(Value o, Value old, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"], old_spec = old["spec"];
  const Value least = spec["minReplicas"];
  const int64_t most = spec["maxReplicas"].integer();
  const bool had_zero = old_spec.has("minReplicas") && old_spec["minReplicas"].integer() == 0;
  const int64_t lowest = had_zero ? 0 : 1;
  if (least.exists() && least.integer() < lowest) errors.invalid(at.at("minReplicas"), least.integer(), cat("must be greater than or equal to ", lowest));
  if (most == 0) errors.required(at.at("maxReplicas"), "must be set and greater than 0");
  if (most < 0) errors.invalid(at.at("maxReplicas"), most, "must be greater than or equal to 1");
  if (least.exists() && most < least.integer()) errors.invalid(at.at("maxReplicas"), most, "must be greater than or equal to `minReplicas`");
  validate_reference(spec["scaleTargetRef"], target_versions(spec["scaleTargetRef"], old_spec["scaleTargetRef"]), at.at("scaleTargetRef"), errors);
  const Value metrics = spec["metrics"];
  const Versions objects = object_versions(old_spec);
  bool outside = false;
  for (size_t i = 0; i < metrics.size(); ++i) {
    validate_metric(metrics.item(i), objects, at.at("metrics").at(i), errors);
    const std::string_view type = metrics.item(i)["type"].str();
    outside = outside || type == "Object" || type == "External";
  }
  if (least.exists() && least.integer() == 0 && !outside)
    errors.forbidden(at.at("metrics"), "must specify at least one Object or External metric to support scaling to zero replicas");
  for (const char* f : {"scaleUp", "scaleDown"}) validate_scaling(spec["behavior"][f], at.at("behavior").at(f), errors);
}

void validate_autoscaler_status(Value o, Value, FieldErrors& errors) {
  for (const char* f : {"currentReplicas", "desiredReplicas"}) validate_nonnegative(o["status"][f], Path("status").at(f), errors);
}

}  // namespace bramble

#include "core/resources/autoscaler_versions.h"

#include "core/resources/kind.h"

namespace bramble {
namespace {

constexpr std::string_view kMetrics = "autoscaling.alpha.kubernetes.io/metrics";
constexpr std::string_view kCurrentMetrics = "autoscaling.alpha.kubernetes.io/current-metrics";
constexpr std::string_view kConditions = "autoscaling.alpha.kubernetes.io/conditions";
constexpr std::string_view kBehavior = "autoscaling.alpha.kubernetes.io/behavior";
constexpr std::string_view kOwn[] = {kMetrics, kCurrentMetrics, kConditions, kBehavior,
                                     "autoscaling.alpha.kubernetes.io/scale-down-tolerance",
                                     "autoscaling.alpha.kubernetes.io/scale-up-tolerance"};

// Where v1 has a flat field, v2 has one in a group; "" is the metric itself.
struct Place {
  const char *metric, *group, *field, *flat;
};
// clang-format off
constexpr Place kSpecPlaces[] = {
    {"object", "", "describedObject", "target"},      {"object", "metric", "name", "metricName"},
    {"object", "metric", "selector", "selector"},     {"object", "target", "value", "targetValue"},
    {"object", "target", "averageValue", "averageValue"},
    {"pods", "metric", "name", "metricName"},         {"pods", "metric", "selector", "selector"},
    {"pods", "target", "averageValue", "targetAverageValue"},
    {"resource", "", "name", "name"},                 {"resource", "target", "averageUtilization", "targetAverageUtilization"},
    {"resource", "target", "averageValue", "targetAverageValue"},
    {"containerResource", "", "name", "name"},        {"containerResource", "", "container", "container"},
    {"containerResource", "target", "averageUtilization", "targetAverageUtilization"},
    {"containerResource", "target", "averageValue", "targetAverageValue"},
    {"external", "metric", "name", "metricName"},     {"external", "metric", "selector", "metricSelector"},
    {"external", "target", "value", "targetValue"},   {"external", "target", "averageValue", "targetAverageValue"}};
constexpr Place kStatusPlaces[] = {
    {"object", "", "describedObject", "target"},      {"object", "metric", "name", "metricName"},
    {"object", "metric", "selector", "selector"},     {"object", "current", "value", "currentValue"},
    {"object", "current", "averageValue", "averageValue"},
    {"pods", "metric", "name", "metricName"},         {"pods", "metric", "selector", "selector"},
    {"pods", "current", "averageValue", "currentAverageValue"},
    {"resource", "", "name", "name"},                 {"resource", "current", "averageUtilization", "currentAverageUtilization"},
    {"resource", "current", "averageValue", "currentAverageValue"},
    {"containerResource", "", "name", "name"},        {"containerResource", "", "container", "container"},
    {"containerResource", "current", "averageUtilization", "currentAverageUtilization"},
    {"containerResource", "current", "averageValue", "currentAverageValue"},
    {"external", "metric", "name", "metricName"},     {"external", "metric", "selector", "metricSelector"},
    {"external", "current", "value", "currentValue"}, {"external", "current", "averageValue", "currentAverageValue"}};
// clang-format on

// In upstream's fields, order and empty values.
Document canonical(const char* type, const Builder& b) {
  const Document raw = b.snapshot();
  auto out = canonicalize(*Type::find(type), raw.root(), nullptr);
  return out.ok() ? out->finish() : raw;
}

template <size_t n>
Builder flattened(Value metric, const Place (&places)[n]) {
  Builder b;
  b.root().set("type", metric["type"]);
  for (const Place& p : places) {
    const Value from = metric[p.metric];
    if (!from.is_object()) continue;
    b.root().object(p.metric).set(p.flat, p.group[0] ? from[p.group][p.field] : from[p.field]);
  }
  return b;
}

template <size_t n>
Builder grouped(Value metric, const Place (&places)[n]) {
  Builder b;
  b.root().set("type", metric["type"]);
  for (const Place& p : places) {
    const Value from = metric[p.metric];
    if (!from.is_object()) continue;
    Mut to = b.root().object(p.metric);
    (p.group[0] ? to.object(p.group) : to).set(p.field, from[p.flat]);
  }
  return b;
}

// v1 leaves open what sort of target it is; v2 says so.
void name_target(Mut metric) {
  for (const char* name : {"object", "pods", "resource", "containerResource", "external"}) {
    Mut target = metric[name]["target"];
    if (!target.is_object()) continue;
    const std::string_view sort = name;
    bool average = sort == "pods" || (sort == "object" && target.has("averageValue")) || (sort == "external" && !target.has("value"));
    const bool share = target.has("averageUtilization");
    if (sort == "resource" || sort == "containerResource") average = !share;
    target.set("type", average ? "AverageValue" : share ? "Utilization" : "Value");
  }
}

bool is_cpu_share(Value metric) {
  return metric["type"].str() == "Resource" && metric["resource"]["name"].str() == "cpu" &&
         metric["resource"]["target"].has("averageUtilization");
}

// The behaviour's annotation holds upstream's internal struct, whose fields begin with capitals.
Document with_case(Value v, bool capitals) {
  Builder out;
  if (v.is_object()) {
    for (auto [key, value] : v.members()) {
      std::string name(key);
      if (!name.empty() && capitals && name[0] >= 'a' && name[0] <= 'z') name[0] = static_cast<char>(name[0] - 32);
      if (!name.empty() && !capitals && name[0] >= 'A' && name[0] <= 'Z') name[0] = static_cast<char>(name[0] + 32);
      const Document inner = with_case(value, capitals);
      out.root().set(name, inner.root());
    }
  } else if (v.is_array()) {
    out.set_root_array();
    for (Value item : v.items()) {
      const Document inner = with_case(item, capitals);
      out.root().append(inner.root());
    }
  } else {
    return Document::of(v);
  }
  return out.finish();
}

Document internal_behavior(Value behavior) {
  Builder full;
  for (const char* way : {"scaleUp", "scaleDown"}) {
    const Value rules = behavior[way];
    if (!rules.is_object()) {
      full.root().set_null(way);
      continue;
    }
    Mut out = full.root().object(way);
    for (const char* field : {"stabilizationWindowSeconds", "selectPolicy", "policies", "tolerance"}) {
      if (rules[field]) out.set(field, rules[field]);
      else out.set_null(field);
    }
  }
  const Document document = full.finish();
  return with_case(document.root(), true);
}

// What is not JSON or not of the type is left out, as upstream does.
Document typed(const char* type, Value value) {
  auto d = canonicalize(*Type::find(type), value, nullptr);
  return d.ok() ? d->finish() : Document();
}

Document parsed(Value annotations, std::string_view key) {
  if (!annotations.has(key)) return {};
  auto d = Document::parse(annotations[key].str());
  return d.ok() ? *d : Document();
}

Document parsed_list(Value annotations, std::string_view key, const char* type) {
  const Document raw = parsed(annotations, key);
  if (!raw || !raw.root().is_array()) return {};
  Builder list;
  list.set_root_array();
  for (Value item : raw.root().items()) {
    const Document one = typed(type, item);
    if (!one) return {};
    list.root().append(one.root());
  }
  return list.finish();
}

Builder started(Value from, std::string_view api_version) {
  Builder b;
  b.root().set("kind", "HorizontalPodAutoscaler");
  b.root().set("apiVersion", api_version);
  b.root().set("metadata", from["metadata"]);
  drop_autoscaler_annotations(b.root());
  for (const char* field : {"scaleTargetRef", "minReplicas", "maxReplicas"}) b.root().object("spec").set(field, from["spec"][field]);
  for (const char* field : {"observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas"})
    b.root().object("status").set(field, from["status"][field]);
  return b;
}

Document finished(Builder b, std::string_view version) {
  const Kind* kind = find_kind("autoscaling", version, "horizontalpodautoscalers");
  CHECK(kind && kind->type, version);
  const Document raw = b.finish();
  auto out = canonicalize(*kind->type, raw.root(), nullptr);
  if (!out.ok()) return raw;
  if (kind->set_defaults) kind->set_defaults(out->root());
  return out->finish();
}

void annotate(Builder& to, std::string_view key, const std::string& text) {
  to.root().object("metadata").object("annotations").set(key, text);
}

}  // namespace

void drop_autoscaler_annotations(Mut object) {
  Mut metadata = object["metadata"], annotations = metadata["annotations"];
  if (!annotations.is_object()) return;
  for (std::string_view key : kOwn) annotations.remove(key);
  if (annotations.size() == 0) metadata.remove("annotations");
}

Document autoscaler_as_v1(Value v2) {
  if (v2["apiVersion"].str() == "autoscaling/v1") return Document::of(v2);
  Builder b = started(v2, "autoscaling/v1");
  const Value spec = v2["spec"], status = v2["status"];
  Builder others, current, conditions;
  others.set_root_array();
  current.set_root_array();
  for (Value metric : spec["metrics"].items()) {
    if (is_cpu_share(metric)) {
      if (!b["spec"].has("targetCPUUtilizationPercentage"))
        b["spec"].set("targetCPUUtilizationPercentage", metric["resource"]["target"]["averageUtilization"]);
      continue;
    }
    const Document flat = canonical("autoscaling.v1.MetricSpec", flattened(metric, kSpecPlaces));
    others.root().append(flat.root());
  }
  for (Value metric : status["currentMetrics"].items()) {
    const Value resource = metric["resource"];
    if (metric["type"].str() == "Resource" && resource["name"].str() == "cpu" && resource["current"].has("averageUtilization"))
      b["status"].set("currentCPUUtilizationPercentage", resource["current"]["averageUtilization"]);
    const Document flat = canonical("autoscaling.v1.MetricStatus", flattened(metric, kStatusPlaces));
    current.root().append(flat.root());
  }
  if (others.root().size() > 0) annotate(b, kMetrics, others.dump());
  if (current.root().size() > 0) annotate(b, kCurrentMetrics, current.dump());
  if (status["conditions"].size() > 0) annotate(b, kConditions, status["conditions"].dump());
  if (spec["behavior"].is_object()) annotate(b, kBehavior, internal_behavior(spec["behavior"]).root().dump());
  return finished(std::move(b), "v1");
}

Document autoscaler_as_v2(Value v1) {
  if (v1["apiVersion"].str() == "autoscaling/v2") return Document::of(v1);
  Builder b = started(v1, "autoscaling/v2");
  const Value spec = v1["spec"], status = v1["status"], annotations = v1["metadata"]["annotations"];
  Mut metrics = b.root().object("spec").array("metrics");
  if (const Document others = parsed_list(annotations, kMetrics, "autoscaling.v1.MetricSpec")) {
    for (Value metric : others.root().items()) {
      Builder one = grouped(metric, kSpecPlaces);
      name_target(one.root());
      const Document made = one.finish();
      metrics.append(made.root());
    }
  }
  auto cpu = [](Mut list, const char* group) {
    Mut metric = list.append_object();
    metric.set("type", "Resource");
    metric.object("resource").set("name", "cpu");
    return metric.object("resource").object(group);
  };
  if (spec.has("targetCPUUtilizationPercentage")) {
    Mut target = cpu(metrics, "target");
    target.set("type", "Utilization");
    target.set("averageUtilization", spec["targetCPUUtilizationPercentage"]);
  }
  if (const Document behavior = parsed(annotations, kBehavior); behavior && behavior.root().size() > 0) {
    const Document lower = with_case(behavior.root(), false);
    if (const Document known = typed("autoscaling.v2.HorizontalPodAutoscalerBehavior", lower.root()); known && known.root().size() > 0)
      b["spec"].set("behavior", known.root());
  }
  if (const Document current = parsed_list(annotations, kCurrentMetrics, "autoscaling.v1.MetricStatus")) {
    for (Value metric : current.root().items()) {
      const Document made = grouped(metric, kStatusPlaces).finish();
      b["status"].array("currentMetrics").append(made.root());
    }
  } else if (status.has("currentCPUUtilizationPercentage")) {
    cpu(b["status"].array("currentMetrics"), "current").set("averageUtilization", status["currentCPUUtilizationPercentage"]);
  }
  if (const Document conditions = parsed_list(annotations, kConditions, "autoscaling.v2.HorizontalPodAutoscalerCondition"))
    b["status"].set("conditions", conditions.root());
  return finished(std::move(b), "v2");
}

}  // namespace bramble

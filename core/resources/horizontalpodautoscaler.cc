// HorizontalPodAutoscaler: stored as v2 and shown as either version.
#include "core/resources/autoscaler_rules.h"
#include "core/resources/autoscaler_versions.h"
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

void default_rules(Mut rules, bool up) {
  default_text(rules, "selectPolicy", "Max");
  if (up && !rules.has("stabilizationWindowSeconds")) rules.set("stabilizationWindowSeconds", 0);
  if (rules["policies"].size() > 0) return;
  Mut policies = rules.array("policies");
  auto add = [&](const char* type, int value) {
    Mut p = policies.append_object();
    p.set("type", type);
    p.set("value", value);
    p.set("periodSeconds", 15);
  };
  if (up) add("Pods", 4);
  add("Percent", 100);
}

void default_hpa_v2(Mut o) {
  drop_autoscaler_annotations(o);  // from whoever decodes it
  Mut spec = o.object("spec");
  default_int(spec, "minReplicas", 1);
  if (spec["metrics"].size() == 0) {
    Mut metric = spec.array("metrics").append_object();
    metric.set("type", "Resource");
    Mut resource = metric.object("resource");
    resource.set("name", "cpu");
    resource.object("target").set("type", "Utilization");
    resource.object("target").set("averageUtilization", 80);
  }
  if (Mut behavior = spec["behavior"]; behavior.is_object()) {
    default_rules(behavior.object("scaleUp"), true);
    default_rules(behavior.object("scaleDown"), false);
  }
}

void default_hpa_v1(Mut o) { default_int(o.object("spec"), "minReplicas", 1); }

void create_hpa(Mut o) {
  clear_status(o);
  o.object("status").set("desiredReplicas", 0);
  o.object("status").set_null("currentMetrics");
}

void create_hpa_v1(Mut o) {
  clear_status(o);
  o.object("status").set("currentReplicas", 0);
  o.object("status").set("desiredReplicas", 0);
}

std::string amount(Value v, const char* none) {
  return v.exists() ? (v.is_string() ? v.text() : v.dump()) : std::string(none);
}

std::string metric_text(Value spec, Value now) {
  const std::string_view type = spec["type"].str();
  const char* field = nullptr;
  for (const MetricSource& s : kMetricSources)
    if (s.type == type) field = s.field;
  if (!field) return "<unknown type>";
  const Value m = spec[field], target = m["target"], current = now[field]["current"];
  const std::string name = m["name"].text();
  const bool resource = type == "Resource" || type == "ContainerResource";
  const std::string prefix = resource ? cat(name, ": ") : std::string();
  if (resource && !target.has("averageValue")) {
    const std::string have =
        current.has("averageUtilization") ? cat(current["averageUtilization"].integer(), "%") : "<unknown>";
    const std::string want =
        target.has("averageUtilization") ? cat(target["averageUtilization"].integer(), "%") : "<auto>";
    return cat(prefix, have, "/", want);
  }
  // Pods have an average alone.
  const bool present = now.has(field);
  if (target.has("averageValue") || type == "Pods") {
    const bool outside = type == "External" || type == "Object";
    const char* none = present && !outside ? "0" : "<unknown>";
    return cat(prefix, amount(current["averageValue"], none), "/", amount(target["averageValue"], "0"), outside ? " (avg)" : "");
  }
  return cat(amount(current["value"], present ? "<nil>" : "<unknown>"), "/", amount(target["value"], "<nil>"));
}

std::string targets_text(Value o) {
  const Value metrics = o["spec"]["metrics"], now = o["status"]["currentMetrics"];
  if (metrics.size() == 0) return "<none>";
  constexpr size_t kShown = 2;
  std::vector<std::string> list;
  for (size_t i = 0; i < metrics.size() && i < kShown; ++i) list.push_back(metric_text(metrics.item(i), now.item(i)));
  std::string text = join(list, ", ");
  if (metrics.size() > kShown) text += cat(" + ", metrics.size() - kShown, " more...");
  return text;
}

std::vector<Column> hpa_columns(Column targets) {
  return {
      name_column(),
      {"Reference", kText, [](Value o) {
         const Value ref = o["spec"]["scaleTargetRef"];
         return cat(ref["kind"].str(), "/", ref["name"].str());
       }},
      targets,
      {"MinPods", kText, [](Value o) {
         const Value spec = o["spec"];
         return spec.has("minReplicas") ? cat(spec["minReplicas"].integer()) : std::string("<unset>");
       }},
      {"MaxPods", kText, [](Value o) { return o["spec"]["maxReplicas"].integer(); }},
      {"Replicas", kText, [](Value o) { return o["status"]["currentReplicas"].integer(); }},
      age_column(),
  };
}

void hpa_common(Kind& k) {
  k.prepare_create = create_hpa;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = [](Value o, FieldErrors& errors) { validate_autoscaler(o, Value(), errors); };
  k.validate_update = validate_autoscaler;
  k.validate_status_update = validate_autoscaler_status;
}

}  // namespace

void hpa_v1_rules(Kind& k) {
  hpa_common(k);
  k.prepare_create = create_hpa_v1;
  k.set_defaults = default_hpa_v1;
  k.columns = hpa_columns({"Targets", kText, [](Value o) {
                             const Document stored = autoscaler_as_v2(o);  // upstream prints that
                             return targets_text(stored.root());
                           }});
  k.stored_as = {"autoscaling", "v2", autoscaler_as_v2, autoscaler_as_v1};
}

void hpa_v2_rules(Kind& k) {
  hpa_common(k);
  k.set_defaults = default_hpa_v2;
  k.columns = hpa_columns({"Targets", kText, [](Value o) { return targets_text(o); }});
}

}  // namespace bramble

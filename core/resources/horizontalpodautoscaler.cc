// HorizontalPodAutoscaler, both versions: stored and shown, its controller comes later.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

struct MetricSource {
  std::string_view type;
  const char* field;
};

constexpr MetricSource kSources[] = {{"Object", "object"},
                                     {"Pods", "pods"},
                                     {"Resource", "resource"},
                                     {"External", "external"},
                                     {"ContainerResource", "containerResource"}};

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

void validate_target(Value spec, const Path& at, FieldErrors& errors) {
  const Value ref = spec["scaleTargetRef"];
  const std::string_view kind = ref["kind"].str(), name = ref["name"].str(), version = ref["apiVersion"].str();
  if (kind.empty())
    errors.required(at.at("kind"));
  else
    add_invalid(at.at("kind"), kind, check_path_segment(kind), errors);
  if (name.empty())
    errors.required(at.at("name"));
  else
    add_invalid(at.at("name"), name, check_path_segment(name), errors);
  // Of the kinds that scale only ReplicationController lives in the group without a name.
  if (kind != "ReplicationController" && version.find('/') == std::string_view::npos)
    errors.invalid(at.at("apiVersion"), version, "apiVersion must specify API group");
}

void validate_metrics(Value metrics, bool zero, const Path& at, FieldErrors& errors) {
  bool outside = false;
  for (size_t i = 0; i < metrics.size(); ++i) {
    const Value m = metrics.item(i);
    const Path here = at.at(i);
    const std::string_view type = m["type"].str();
    if (type.empty()) {
      errors.required(here.at("type"), "must specify a metric source type");
      continue;
    }
    outside = outside || type == "Object" || type == "External";
    const char* expected = nullptr;
    for (const MetricSource& s : kSources)
      if (s.type == type) expected = s.field;
    if (!expected) {
      errors.not_supported(here.at("type"), type, {"ContainerResource", "External", "Object", "Pods", "Resource"});
      continue;
    }
    for (const MetricSource& s : kSources)
      if (m.has(s.field) && std::string_view(s.field) != expected)
        errors.forbidden(here.at(s.field), "must populate the given metric source only");
    if (!m.has(expected)) errors.required(here.at(expected), "must populate information for the given metric source");
  }
  if (zero && !outside)
    errors.forbidden(at, "must specify at least one Object or External metric to support scaling to zero replicas");
}

void validate_hpa(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  const int64_t least = spec["minReplicas"].integer(1), most = spec["maxReplicas"].integer();
  if (least < 1) errors.invalid(at.at("minReplicas"), least, "must be greater than or equal to 1");
  if (most < 1) errors.required(at.at("maxReplicas"), "must be set and greater than 0");
  if (most < least) errors.invalid(at.at("maxReplicas"), most, "must be greater than or equal to `minReplicas`");
  validate_target(spec, at.at("scaleTargetRef"), errors);
  validate_metrics(spec["metrics"], least == 0, at.at("metrics"), errors);
}

std::string amount(Value v, const char* none) {
  return v.exists() ? (v.is_string() ? v.text() : v.dump()) : std::string(none);
}

std::string metric_text(Value spec, Value now) {
  const std::string_view type = spec["type"].str();
  const char* field = nullptr;
  for (const MetricSource& s : kSources)
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
  if (target.has("averageValue")) {
    const std::string suffix = type == "External" || type == "Object" ? " (avg)" : "";
    return cat(prefix, amount(current["averageValue"], "<unknown>"), "/", amount(target["averageValue"], ""), suffix);
  }
  return cat(amount(current["value"], "<unknown>"), "/", amount(target["value"], ""));
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

std::string cpu_text(Value o) {
  const Value want = o["spec"]["targetCPUUtilizationPercentage"], have = o["status"]["currentCPUUtilizationPercentage"];
  if (!want.exists()) return "<none>";
  return cat("cpu: ", have.exists() ? cat(have.integer(), "%") : std::string("<unknown>"), "/", want.integer(), "%");
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
  k.validate = validate_hpa;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_hpa(o, errors); };
}

}  // namespace

void hpa_v1_rules(Kind& k) {
  hpa_common(k);
  k.prepare_create = create_hpa_v1;
  k.set_defaults = default_hpa_v1;
  k.columns = hpa_columns({"Targets", kText, [](Value o) { return cpu_text(o); }});
}

void hpa_v2_rules(Kind& k) {
  hpa_common(k);
  k.set_defaults = default_hpa_v2;
  k.columns = hpa_columns({"Targets", kText, [](Value o) { return targets_text(o); }});
}

}  // namespace bramble

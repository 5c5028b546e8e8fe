// HorizontalPodAutoscaler, PodDisruptionBudget, PriorityClass, RuntimeClass: stored and shown.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/rules.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

// -- HorizontalPodAutoscaler

struct MetricSource {
  std::string_view type;
  const char* field;
};
constexpr MetricSource kSources[] = {{"Object", "object"}, {"Pods", "pods"}, {"Resource", "resource"},
                                     {"External", "external"}, {"ContainerResource", "containerResource"}};

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

void validate_target(Value spec, const Path& at, FieldErrors& errors) {
  const Value ref = spec["scaleTargetRef"];
  const std::string_view kind = ref["kind"].str(), name = ref["name"].str(), version = ref["apiVersion"].str();
  if (kind.empty()) errors.required(at.at("kind"));
  else add_invalid(at.at("kind"), kind, check_path_segment(kind), errors);
  if (name.empty()) errors.required(at.at("name"));
  else add_invalid(at.at("name"), name, check_path_segment(name), errors);
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

std::string amount(Value v, const char* none) { return v.exists() ? (v.is_string() ? v.text() : v.dump()) : std::string(none); }

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
    const std::string have = current.has("averageUtilization") ? cat(current["averageUtilization"].integer(), "%") : "<unknown>";
    const std::string want = target.has("averageUtilization") ? cat(target["averageUtilization"].integer(), "%") : "<auto>";
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

void hpa_cells(Value o, int64_t now_us, Mut out, const std::string& targets) {
  const Value ref = o["spec"]["scaleTargetRef"];
  out.append(first_name(o));
  out.append(cat(ref["kind"].str(), "/", ref["name"].str()));
  out.append(targets);
  out.append(o["spec"].has("minReplicas") ? cat(o["spec"]["minReplicas"].integer()) : std::string("<unset>"));
  out.append(o["spec"]["maxReplicas"].integer());
  out.append(o["status"]["currentReplicas"].integer());
  append_age(o, now_us, out);
}
void hpa_v2_cells(Value o, int64_t now_us, Mut out) { hpa_cells(o, now_us, out, targets_text(o)); }
void hpa_v1_cells(Value o, int64_t now_us, Mut out) {
  const Value want = o["spec"]["targetCPUUtilizationPercentage"], have = o["status"]["currentCPUUtilizationPercentage"];
  hpa_cells(o, now_us, out,
            want.exists() ? cat("cpu: ", have.exists() ? cat(have.integer(), "%") : std::string("<unknown>"), "/", want.integer(), "%")
                          : std::string("<none>"));
}
constexpr std::string_view kHpaColumns = "Name:name, Reference, Targets, MinPods, MaxPods, Replicas, Age";

void hpa_common(Kind& k) {
  k.prepare_create = create_hpa;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate_hpa;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_hpa(o, errors); };
  k.columns = columns_of(kHpaColumns);
}

// -- PodDisruptionBudget

std::string go_value(Value v) { return v.exists() ? v.dump() : std::string("null"); }

void validate_pdb(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  if (spec.has("minAvailable") && spec.has("maxUnavailable"))
    errors.invalid_raw(at,
                       cat("{\"MinAvailable\":", go_value(spec["minAvailable"]), ",\"Selector\":", go_value(spec["selector"]),
                           ",\"MaxUnavailable\":", go_value(spec["maxUnavailable"]), ",\"UnhealthyPodEvictionPolicy\":",
                           go_value(spec["unhealthyPodEvictionPolicy"]), "}"),
                       "minAvailable and maxUnavailable cannot be both set");
  for (const char* f : {"minAvailable", "maxUnavailable"}) {
    validate_number_or_percent(spec[f], at.at(f), errors);
    if (percent_over_100(spec[f])) errors.invalid(at.at(f), spec[f], "must not be greater than 100%");
  }
  validate_label_selector(spec["selector"], at.at("selector"), errors);
  validate_one_of(spec["unhealthyPodEvictionPolicy"].str(), {"AlwaysAllow", "IfHealthyBudget"},
                  at.at("unhealthyPodEvictionPolicy"), false, errors);
}
void create_pdb(Mut o) {
  clear_status(o);
  for (const char* f : {"disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"}) o.object("status").set(f, 0);
}
void pdb_cells(Value o, int64_t now_us, Mut out) {
  auto shown = [](Value v) { return !v.exists() ? std::string("N/A") : v.is_string() ? v.text() : v.dump(); };
  out.append(first_name(o));
  out.append(shown(o["spec"]["minAvailable"]));
  out.append(shown(o["spec"]["maxUnavailable"]));
  out.append(o["status"]["disruptionsAllowed"].integer());
  append_age(o, now_us, out);
}

// -- PriorityClass

constexpr int64_t kUserPriorityMax = 1000000000;

struct SystemPriority {
  std::string_view name;
  int64_t value;
};
constexpr SystemPriority kSystem[] = {{"system-node-critical", 2000001000}, {"system-cluster-critical", 2000000000}};

void validate_priority(Value o, FieldErrors& errors) {
  const std::string_view name = o["metadata"]["name"].str();
  const Path at = Path("metadata").at("name");
  if (name.substr(0, 7) == "system-") {
    for (const SystemPriority& s : kSystem) {
      if (s.name != name) continue;
      if (o["value"].integer() != s.value)
        errors.forbidden(at, cat("priority class names with 'system-' prefix are reserved for system use only. error: value of ",
                                 name, " PriorityClass must be ", s.value));
      return;
    }
    errors.forbidden(at, cat("priority class names with 'system-' prefix are reserved for system use only. error: ", name,
                             " is not a known system priority class"));
  } else if (o["value"].integer() > kUserPriorityMax) {
    errors.forbidden(Path("value"), cat("maximum allowed value of a user defined priority is ", kUserPriorityMax));
  }
  validate_one_of(o["preemptionPolicy"].str(), {"PreemptLowerPriority", "Never"}, Path("preemptionPolicy"), false, errors);
}
void update_priority(Value o, Value old, FieldErrors& errors) {
  if (o["value"].integer() != old["value"].integer()) errors.forbidden(Path("value"), "may not be changed in an update.");
  validate_immutable(o["preemptionPolicy"], old["preemptionPolicy"], Path("preemptionPolicy"), errors);
}
void priority_cells(Value o, int64_t now_us, Mut out) {
  out.append(first_name(o));
  out.append(o["value"].integer());
  out.append(o["globalDefault"].boolean());
  append_age(o, now_us, out);
  out.append(o["preemptionPolicy"].str());
}

// -- RuntimeClass

void validate_runtimeclass(Value o, FieldErrors& errors) {
  const std::string_view handler = o["handler"].str();
  add_invalid(Path("handler"), handler, check_dns1123_label(handler), errors);
  for (auto [name, q] : o["overhead"]["podFixed"].members()) {
    const Path here = Path("overhead").at("podFixed").key(name);
    validate_resource_name(name, here, errors);
    validate_resource_amount(name, q, here, errors);
  }
  validate_labels(o["scheduling"]["nodeSelector"], Path("scheduling").at("nodeSelector"), errors);
  validate_tolerations(o["scheduling"]["tolerations"], Path("scheduling").at("tolerations"), errors);
}
void update_runtimeclass(Value o, Value old, FieldErrors& errors) {
  validate_immutable(o["handler"], old["handler"], Path("handler"), errors);
}
void runtimeclass_cells(Value o, int64_t now_us, Mut out) {
  out.append(first_name(o));
  out.append(o["handler"].str());
  append_age(o, now_us, out);
}

}  // namespace

void hpa_v2_rules(Kind& k) {
  hpa_common(k);
  k.set_defaults = default_hpa_v2;
  k.cells = hpa_v2_cells;
}
void hpa_v1_rules(Kind& k) {
  hpa_common(k);
  k.set_defaults = default_hpa_v1;
  k.cells = hpa_v1_cells;
}
void pdb_rules(Kind& k) {
  k.prepare_create = create_pdb;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate_pdb;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_pdb(o, errors); };
  k.columns = columns_of("Name:name, Min Available, Max Unavailable, Allowed Disruptions:integer, Age");
  k.cells = pdb_cells;
}
void priorityclass_rules(Kind& k) {
  k.set_defaults = [](Mut o) { default_text(o, "preemptionPolicy", "PreemptLowerPriority"); };
  k.validate = validate_priority;
  k.validate_update = update_priority;
  k.columns = columns_of("Name:name, Value:integer, Global-Default:boolean, Age, PreemptionPolicy");
  k.cells = priority_cells;
}
void runtimeclass_rules(Kind& k) {
  k.validate = validate_runtimeclass;
  k.validate_update = update_runtimeclass;
  k.columns = columns_of("Name:name, Handler, Age");
  k.cells = runtimeclass_cells;
}

}  // namespace bramble

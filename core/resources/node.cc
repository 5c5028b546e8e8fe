// Node: a machine of the cluster. Its kubelet writes the status; taints and podCIDRs are the control plane's.
#include <set>

#include "core/resources/address_warnings.h"
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/conditions.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/sameness.h"
#include "core/resources/pod_spec.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

void set_defaults(Mut o) {
  default_amounts(o["status"]["capacity"]);
  default_amounts(o["status"]["allocatable"]);
  // podCIDR is one of podCIDRs, and comes first; where they disagree it is the only one.
  Mut spec = o["spec"];
  if (spec.is_object()) {
    std::string one = spec["podCIDR"].text();
    bool listed = one.empty();
    for (size_t i = 0; i < spec["podCIDRs"].size(); ++i) listed = listed || spec["podCIDRs"].item(i).str() == one;
    if (!listed) {
      spec.remove("podCIDRs");
      spec.array("podCIDRs").append(one);
    }
    if (spec["podCIDRs"].size() > 0) spec.set("podCIDR", spec["podCIDRs"].item(0).text());
  }
  Mut status = o["status"];
  if (status["capacity"].size() > 0 && !status.has("allocatable")) status.set("allocatable", status["capacity"]);
}

void prepare_create(Mut o) { o.object("spec").remove("configSource"); }
void prepare_update(Mut o, Value old) {
  keep_status(o, old);
  if (!old["spec"].has("configSource")) o.object("spec").remove("configSource");
}
void prepare_status_update(Mut o, Value old) { keep_spec(o, old); }

void validate_taints(Value taints, const Path& at, FieldErrors& errors) {
  std::set<std::string> seen;
  for (size_t i = 0; i < taints.size(); ++i) {
    const Value t = taints.item(i);
    const Path here = at.at(i);
    const std::string_view key = t["key"].str(), value = t["value"].str(), effect = t["effect"].str();
    add_invalid(here.at("key"), key, check_qualified_name(key), errors);
    const auto bad = check_label_value(value);
    if (!bad.empty()) errors.invalid(here.at("value"), value, join(bad, ";"));
    validate_taint_effect(effect, false, here.at("effect"), errors);
    if (!seen.insert(cat(key, " ", effect)).second)
      errors.add({"FieldValueDuplicate", here.text(),
                  cat("Duplicate value: {\"Key\":", go_quote(key), ",\"Value\":", go_quote(value), ",\"Effect\":",
                      go_quote(effect), ",\"TimeAdded\":null}: taints must be unique by key and effect pair")});
  }
}

void validate_resources(Value list, const Path& at, FieldErrors& errors) {
  for (auto [name, amount] : list.members()) validate_resource_amount(name, amount, at.at(name), errors);
}

void validate(Value o, FieldErrors& errors) {
  const Value spec = o["spec"];
  // Upstream reports taints under metadata.
  validate_taints(spec["taints"], Path("metadata").at("taints"), errors);
  validate_resources(o["status"]["capacity"], Path("status").at("capacity"), errors);
  validate_resources(o["status"]["allocatable"], Path("status").at("allocatable"), errors);
  const Path cidrs = Path("spec").at("podCIDRs");
  size_t v4 = 0, v6 = 0;
  for (size_t i = 0; i < spec["podCIDRs"].size(); ++i) {
    const std::string_view cidr = spec["podCIDRs"].item(i).str();
    validate_cidr(cidr, cidrs.at(i), errors);
    (cidr.find(':') == std::string_view::npos ? v4 : v6) += 1;
  }
  if (spec["podCIDRs"].size() > 1 && (v4 > 1 || v6 > 1))
    errors.invalid(cidrs, spec["podCIDRs"], "may specify no more than one CIDR for each IP family");
}

void validate_update(Value o, Value old, FieldErrors& errors) {
  validate(o, errors);
  const Value spec = o["spec"], was = old["spec"];
  if (was["podCIDRs"].size() > 0 && !equal(spec["podCIDRs"], was["podCIDRs"]))
    errors.forbidden(Path("spec").at("podCIDRs"), "node updates may not change podCIDR except from \"\" to valid");
  if (!was["providerID"].str().empty() && spec["providerID"].str() != was["providerID"].str())
    errors.forbidden(Path("spec").at("providerID"), "node updates may not change providerID except from \"\" to valid");
  if (spec["externalID"].str() != was["externalID"].str()) errors.forbidden(Path("spec").at("externalID"), "may not be updated");
}

void validate_status_update(Value o, Value, FieldErrors& errors) {
  const Value addresses = o["status"]["addresses"];
  std::set<std::string> seen;
  for (size_t i = 0; i < addresses.size(); ++i) {
    const Value a = addresses.item(i);
    if (!seen.insert(a.dump()).second)
      errors.duplicate_raw(
          Path("status").at("addresses").at(i),
          cat("{\"Type\":", go_quote(a["type"].str()), ",\"Address\":", go_quote(a["address"].str()), "}"));
  }
  validate_resources(o["status"]["capacity"], Path("status").at("capacity"), errors);
  validate_resources(o["status"]["allocatable"], Path("status").at("allocatable"), errors);
}

void warnings(Value o, std::vector<std::string>& out) {
  if (o["spec"].has("configSource")) out.push_back("spec.configSource: the feature is removed");
  if (!o["spec"]["externalID"].str().empty())
    out.push_back("spec.externalID: this field is deprecated, and is unused by Kubernetes");
  const Value ranges = o["spec"]["podCIDRs"];
  for (size_t i = 0; i < ranges.size(); ++i) range_warnings(ranges.item(i).str(), Path("spec").at("podCIDRs").at(i), out);
}

std::string status_text(Value o) {
  std::string text = "Unknown";
  const Value ready = find_condition(o["status"]["conditions"], "Ready");
  if (ready.exists()) text = ready["status"].str() == "True" ? "Ready" : "NotReady";
  if (o["spec"]["unschedulable"].boolean()) text += ",SchedulingDisabled";
  return text;
}

std::string roles_text(Value o) {
  constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
  std::set<std::string> roles;
  for (auto [key, value] : o["metadata"]["labels"].members()) {
    if (key.substr(0, kPrefix.size()) == kPrefix && key.size() > kPrefix.size())
      roles.insert(std::string(key.substr(kPrefix.size())));
    else if (key == "kubernetes.io/role" && !value.str().empty())
      roles.insert(value.text());
  }
  if (roles.empty()) return "<none>";
  return join(std::vector<std::string>(roles.begin(), roles.end()), ",");
}

std::string address_text(Value o, std::string_view type) {
  for (Value a : o["status"]["addresses"].items())
    if (a["type"].str() == type) return a["address"].text();
  return "<none>";
}

std::string_view known_text(Value v) { return v.str().empty() ? std::string_view("<unknown>") : v.str(); }

bool only_heartbeats(Value before, Value after) {
  if (!before || !same_except(before, after, {"metadata", "status"}) || !same_meta(before, after)) return false;
  if (!same_except(before["status"], after["status"], {"conditions"})) return false;
  Value old_list = before["status"]["conditions"], new_list = after["status"]["conditions"];
  if (old_list.size() != new_list.size()) return false;
  for (size_t i = 0; i < old_list.size(); ++i) {
    if (!same_except(old_list.item(i), new_list.item(i), {"lastHeartbeatTime"})) return false;
  }
  return true;
}

}  // namespace

void node_rules(Kind& k) {
  k.set_defaults = set_defaults;
  k.prepare_create = prepare_create;
  k.prepare_update = prepare_update;
  k.prepare_status_update = prepare_status_update;
  k.validate = validate;
  k.validate_update = validate_update;
  k.validate_status_update = validate_status_update;
  k.warnings = warnings;
  k.may_be_volatile = only_heartbeats;
  k.columns = {
      name_column(),
      {"Status", kText, [](Value o) { return status_text(o); }},
      {"Roles", kText, [](Value o) { return roles_text(o); }},
      age_column(),
      {"Version", kText, [](Value o) { return o["status"]["nodeInfo"]["kubeletVersion"].str(); }},
      {"Internal-IP", kWide, [](Value o) { return address_text(o, "InternalIP"); }},
      {"External-IP", kWide, [](Value o) { return address_text(o, "ExternalIP"); }},
      {"OS-Image", kWide, [](Value o) { return known_text(o["status"]["nodeInfo"]["osImage"]); }},
      {"Kernel-Version", kWide, [](Value o) { return known_text(o["status"]["nodeInfo"]["kernelVersion"]); }},
      {"Container-Runtime", kWide, [](Value o) { return known_text(o["status"]["nodeInfo"]["containerRuntimeVersion"]); }},
  };
  k.selectable = {{"spec.unschedulable",
                   [](Value o) { return std::string(o["spec"]["unschedulable"].boolean() ? "true" : "false"); }}};
}

}  // namespace bramble

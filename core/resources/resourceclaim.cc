// The kinds of dynamic resource allocation (resource.k8s.io): stored and shown.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

void default_requests(Mut devices) {
  for (Mut r : devices["requests"].items()) {
    auto fill = [](Mut one) {
      default_text(one, "allocationMode", "ExactCount");
      if (one["allocationMode"].str() == "ExactCount") default_int(one, "count", 1);
    };
    if (r["exactly"].is_object()) fill(r["exactly"]);
    for (Mut sub : r["firstAvailable"].items()) fill(sub);
  }
}

std::string claim_state(Value o) {
  const Value status = o["status"];
  std::vector<std::string> parts;
  if (o["metadata"].has("deletionTimestamp")) parts.push_back("deleted");
  if (!status["allocation"].is_object()) {
    if (parts.empty()) parts.push_back("pending");
  } else {
    parts.push_back("allocated");
    if (status["reservedFor"].size() > 0) parts.push_back("reserved");
  }
  return join(parts, ",");
}

std::string_view slice_node(Value o) {
  const Value spec = o["spec"];
  if (spec.has("nodeName")) return spec["nodeName"].str();
  if (spec["allNodes"].boolean()) return "<all nodes>";
  return spec["nodeSelector"].is_object() ? "<node selector>" : "<unset>";
}

}  // namespace

void deviceclass_rules(Kind& k) {
  k.columns = {name_column(), age_column()};
}

void resourceclaim_rules(Kind& k) {
  k.set_defaults = [](Mut o) { default_requests(o["spec"]["devices"]); };
  k.prepare_create = clear_status;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate_update = [](Value o, Value old, FieldErrors& errors) {
    validate_immutable(o["spec"], old["spec"], Path("spec"), errors);
  };
  k.columns = {
      name_column(),
      {"State", kText, [](Value o) { return claim_state(o); }},
      age_column(),
  };
}

void resourceclaimtemplate_rules(Kind& k) {
  k.set_defaults = [](Mut o) { default_requests(o["spec"]["spec"]["devices"]); };
  k.validate_update = [](Value o, Value old, FieldErrors& errors) {
    validate_immutable(o["spec"], old["spec"], Path("spec"), errors);
  };
  k.columns = {name_column(), age_column()};
}

void resourceslice_rules(Kind& k) {
  k.columns = {
      name_column(),
      {"Node", kText, [](Value o) { return slice_node(o); }},
      {"Driver", kText, [](Value o) { return o["spec"]["driver"].str(); }},
      {"Pool", kText, [](Value o) { return o["spec"]["pool"]["name"].str(); }},
      age_column(),
  };
  k.selectable = {{"spec.nodeName", [](Value o) { return o["spec"]["nodeName"].text(); }},
                  {"spec.driver", [](Value o) { return o["spec"]["driver"].text(); }}};
}

}  // namespace bramble

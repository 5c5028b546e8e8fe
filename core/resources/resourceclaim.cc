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

void plain_cells(Value o, int64_t now_us, Mut out) {
  out.append(first_name(o));
  append_age(o, now_us, out);
}

void claim_cells(Value o, int64_t now_us, Mut out) {
  out.append(first_name(o));
  out.append(claim_state(o));
  append_age(o, now_us, out);
}

void slice_cells(Value o, int64_t now_us, Mut out) {
  const Value spec = o["spec"];
  std::string node = "<unset>";
  if (spec.has("nodeName"))
    node = spec["nodeName"].text();
  else if (spec["allNodes"].boolean())
    node = "<all nodes>";
  else if (spec["nodeSelector"].is_object())
    node = "<node selector>";
  out.append(first_name(o));
  out.append(node);
  out.append(spec["driver"].str());
  out.append(spec["pool"]["name"].str());
  append_age(o, now_us, out);
}

}  // namespace

void deviceclass_rules(Kind& k) {
  k.columns = columns_of("Name:name, Age");
  k.cells = plain_cells;
}

void resourceclaim_rules(Kind& k) {
  k.set_defaults = [](Mut o) { default_requests(o["spec"]["devices"]); };
  k.prepare_create = clear_status;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate_update = [](Value o, Value old, FieldErrors& errors) {
    validate_immutable(o["spec"], old["spec"], Path("spec"), errors);
  };
  k.columns = columns_of("Name:name, State, Age");
  k.cells = claim_cells;
}

void resourceclaimtemplate_rules(Kind& k) {
  k.set_defaults = [](Mut o) { default_requests(o["spec"]["spec"]["devices"]); };
  k.validate_update = [](Value o, Value old, FieldErrors& errors) {
    validate_immutable(o["spec"], old["spec"], Path("spec"), errors);
  };
  k.columns = columns_of("Name:name, Age");
  k.cells = plain_cells;
}

void resourceslice_rules(Kind& k) {
  k.columns = columns_of("Name:name, Node, Driver, Pool, Age");
  k.cells = slice_cells;
  k.selectable = {{"spec.nodeName", [](Value o) { return o["spec"]["nodeName"].text(); }},
                  {"spec.driver", [](Value o) { return o["spec"]["driver"].text(); }}};
}

}  // namespace bramble

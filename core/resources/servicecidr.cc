// ServiceCIDR and IPAddress: the ranges and addresses of Services as objects.
#include "core/resources/cells.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

std::string parent_text(Value o) {
  const Value p = o["spec"]["parentRef"];
  std::vector<std::string> parts;
  for (const char* f : {"group", "resource", "namespace", "name"})
    if (!p[f].str().empty()) parts.push_back(p[f].text());
  return join(parts, "/");
}

void validate_servicecidr(Value o, FieldErrors& errors) {
  const Value cidrs = o["spec"]["cidrs"];
  const Path at = Path("spec").at("cidrs");
  if (cidrs.size() == 0) errors.required(at, "at least one CIDR required");
  if (cidrs.size() > 2) errors.invalid(Path("spec"), o["spec"], "may only hold up to 2 values");
  for (size_t i = 0; i < cidrs.size(); ++i) validate_cidr(cidrs.item(i).str(), at.at(i), errors);
}

std::string cidrs_text(Value o) {
  std::vector<std::string> cidrs;
  for (Value c : o["spec"]["cidrs"].items()) cidrs.push_back(c.text());
  return join(cidrs, ",");
}

}  // namespace

void servicecidr_rules(Kind& k) {
  k.prepare_create = clear_status;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate_servicecidr;
  k.validate_update = [](Value o, Value old, FieldErrors& errors) {
    if (!equal(o["spec"]["cidrs"], old["spec"]["cidrs"]))
      validate_immutable(o["spec"]["cidrs"], old["spec"]["cidrs"], Path("spec").at("cidrs"), errors);
  };
  k.columns = {
      name_column(),
      {"CIDRs", kText, [](Value o) { return cidrs_text(o); }},
      age_column(),
  };
}

void ipaddress_rules(Kind& k) {
  k.columns = {
      name_column(),
      {"ParentRef", kText, [](Value o) { return parent_text(o); }},
  };
}

}  // namespace bramble

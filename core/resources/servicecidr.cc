// ServiceCIDR and IPAddress: the ranges and addresses of Services as objects.
#include "core/resources/cells.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

void ipaddress_cells(Value o, int64_t, Mut out) {
  const Value p = o["spec"]["parentRef"];
  std::vector<std::string> parts;
  for (const char* f : {"group", "resource", "namespace", "name"})
    if (!p[f].str().empty()) parts.push_back(p[f].text());
  out.append(first_name(o));
  out.append(join(parts, "/"));
}

void validate_servicecidr(Value o, FieldErrors& errors) {
  const Value cidrs = o["spec"]["cidrs"];
  const Path at = Path("spec").at("cidrs");
  if (cidrs.size() == 0) errors.required(at, "at least one CIDR required");
  if (cidrs.size() > 2) errors.invalid(Path("spec"), o["spec"], "may only hold up to 2 values");
  for (size_t i = 0; i < cidrs.size(); ++i) validate_cidr(cidrs.item(i).str(), at.at(i), errors);
}

void servicecidr_cells(Value o, int64_t now_us, Mut out) {
  std::vector<std::string> cidrs;
  for (Value c : o["spec"]["cidrs"].items()) cidrs.push_back(c.text());
  out.append(first_name(o));
  out.append(join(cidrs, ","));
  append_age(o, now_us, out);
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
  k.columns = columns_of("Name:name, CIDRs, Age");
  k.cells = servicecidr_cells;
}

void ipaddress_rules(Kind& k) {
  k.columns = columns_of("Name:name, ParentRef");
  k.cells = ipaddress_cells;
}

}  // namespace bramble

// ServiceCIDR and IPAddress: the ranges and addresses of Services as objects.
#include "core/resources/cells.h"
#include "core/resources/field_rules.h"
#include "core/resources/internal_form.h"
#include "core/resources/ip_range.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

std::string parent_text(Value o) {
  const Value p = o["spec"]["parentRef"];
  if (!p.is_object()) return "<none>";
  const std::string_view group = p["group"].str(), ns = p["namespace"].str();
  return cat(lower(p["resource"].text()), group.empty() ? "" : ".", lower(std::string(group)), ns.empty() ? "" : "/", ns, "/", p["name"].str());
}

void validate_ranges(Value spec, FieldErrors& errors) {
  const Value cidrs = spec["cidrs"];
  const Path at = Path("spec").at("cidrs");
  if (cidrs.size() == 0) return errors.required(at, "at least one CIDR required");
  if (cidrs.size() > 2) return errors.invalid(at, internal_form(spec, "networking.v1.ServiceCIDRSpec").root(), "may only hold up to 2 values");
  for (size_t i = 0; i < cidrs.size(); ++i) validate_cidr(cidrs.item(i).str(), at.at(i), errors);
  if (cidrs.size() < 2) return;
  const auto a = parse_cidr_sloppily(cidrs.item(0).str()), b = parse_cidr_sloppily(cidrs.item(1).str());
  if (a && b && a->base.v6 == b->base.v6)
    errors.invalid(at, cidrs, "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64");
}

// A second family may be added, nothing else.
void validate_servicecidr_update(Value o, Value old, FieldErrors& errors) {
  const Value now = o["spec"]["cidrs"], was = old["spec"]["cidrs"];
  const Path at = Path("spec").at("cidrs");
  auto fixed = [&](size_t i) {
    if (now.item(i).str() != was.item(i).str()) errors.invalid(at.at(i), now.item(i).str(), kFieldImmutable);
  };
  if (now.size() == was.size()) {
    for (size_t i = 0; i < now.size(); ++i) fixed(i);
  } else if (was.size() == 1 && now.size() == 2) {
    fixed(0);
    validate_ranges(o["spec"], errors);
  } else {
    errors.invalid(at, now, kFieldImmutable);
  }
}

void validate_ipaddress(Value o, FieldErrors& errors) {
  const Value parent = o["spec"]["parentRef"];
  const Path at = Path("spec").at("parentRef");
  if (!parent.is_object()) return errors.required(at);
  if (const std::string_view group = parent["group"].str(); !group.empty())
    add_invalid(at.at("group"), group, check_dns1123_subdomain(group), errors);
  for (const char* f : {"resource", "name", "namespace"}) {
    const std::string_view text = parent[f].str();
    if (!text.empty())
      add_invalid(at.at(f), text, check_path_segment(text), errors);
    else if (std::string_view(f) != "namespace")
      errors.required(at.at(f));
  }
}

void validate_ipaddress_update(Value o, Value old, FieldErrors& errors) {
  validate_ipaddress(o, errors);
  const Value parent = o["spec"]["parentRef"];
  if (!equal(parent, old["spec"]["parentRef"]))
    errors.invalid(Path("spec").at("parentRef"), internal_form(parent, "networking.v1.ParentReference").root(), kFieldImmutable);
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
  k.validate = [](Value o, FieldErrors& errors) { validate_ranges(o["spec"], errors); };
  k.validate_update = validate_servicecidr_update;
  k.columns = {
      name_column(),
      {"CIDRs", kText, [](Value o) { return cidrs_text(o); }},
      age_column(),
  };
}

void ipaddress_rules(Kind& k) {
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.validate_name = [](std::string_view name, bool) { return check_ip(name); };
  k.validate = validate_ipaddress;
  k.validate_update = validate_ipaddress_update;
  k.columns = {
      name_column(),
      {"ParentRef", kText, [](Value o) { return parent_text(o); }},
  };
}

}  // namespace bramble

// NetworkPolicy: which traffic pods take and send.
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/ip_range.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"

namespace bramble {
namespace {

void default_networkpolicy(Mut o) {
  Mut spec = o.object("spec");
  if (spec["policyTypes"].size() == 0) {
    Mut types = spec.array("policyTypes");
    types.append("Ingress");
    if (spec["egress"].size() > 0) types.append("Egress");
  }
  for (const char* list : {"ingress", "egress"})
    for (Mut r : spec[list].items())
      for (Mut p : r["ports"].items()) default_text(p, "protocol", "TCP");
}

void validate_policy_port(Value p, const Path& at, FieldErrors& errors) {
  validate_one_of(p["protocol"].str(), {"SCTP", "TCP", "UDP"}, at.at("protocol"), false, errors);
  if (!p.has("port")) {
    if (p.has("endPort"))
      errors.invalid(at.at("endPort"), p["endPort"].integer(), "may not be specified when `port` is not specified");
    return;
  }
  if (p["port"].is_string()) {
    if (p.has("endPort"))
      errors.invalid(at.at("endPort"), p["endPort"].integer(), "may not be specified when `port` is non-numeric");
    add_invalid(at.at("port"), p["port"].str(), check_port_name(p["port"].str()), errors);
    return;
  }
  const int64_t port = p["port"].integer();
  for (const std::string& m : check_port_number(port)) errors.invalid(at.at("port"), port, m);
  if (!p.has("endPort")) return;
  const int64_t end = p["endPort"].integer();
  if (end < port) errors.invalid(at.at("endPort"), port, "must be greater than or equal to `port`");
  for (const std::string& m : check_port_number(end)) errors.invalid(at.at("endPort"), end, m);
}

void validate_ip_block(Value block, const Path& at, FieldErrors& errors) {
  const std::string_view cidr = block["cidr"].str();
  if (cidr.empty()) return errors.required(at.at("cidr"));
  const auto range = parse_cidr(cidr);
  if (!range) return validate_cidr(cidr, at.at("cidr"), errors);
  for (size_t i = 0; i < block["except"].size(); ++i) {
    const std::string_view except = block["except"].item(i).str();
    const auto inner = parse_cidr(except);
    if (!inner)
      validate_cidr(except, at.at("except").at(i), errors);
    else if (!range->strictly_contains(*inner))
      errors.invalid(at.at("except").at(i), except, "must be a strict subset of `cidr`");
  }
}

void validate_peer(Value peer, const Path& at, FieldErrors& errors) {
  const int sorts = (peer.has("podSelector") || peer.has("namespaceSelector") ? 1 : 0);
  validate_label_selector(peer["podSelector"], at.at("podSelector"), errors);
  validate_label_selector(peer["namespaceSelector"], at.at("namespaceSelector"), errors);
  if (peer["ipBlock"].is_object()) {
    validate_ip_block(peer["ipBlock"], at.at("ipBlock"), errors);
    if (sorts > 0) errors.forbidden(at, "may not specify both ipBlock and another peer");
  } else if (sorts == 0) {
    errors.required(at, "must specify a peer");
  }
}

void validate_networkpolicy(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  validate_label_selector(spec["podSelector"], at.at("podSelector"), errors);
  for (const auto& [list, peers] : {std::pair{"ingress", "from"}, {"egress", "to"}})
    for (size_t i = 0; i < spec[list].size(); ++i) {
      const Value rule = spec[list].item(i);
      const Path here = at.at(list).at(i);
      for (size_t j = 0; j < rule["ports"].size(); ++j)
        validate_policy_port(rule["ports"].item(j), here.at("ports").at(j), errors);
      for (size_t j = 0; j < rule[peers].size(); ++j) validate_peer(rule[peers].item(j), here.at(peers).at(j), errors);
    }
  if (spec["policyTypes"].size() > 2) {
    errors.invalid(at.at("policyTypes"), spec["policyTypes"], "may not specify more than two policyTypes");
    return;
  }
  for (size_t i = 0; i < spec["policyTypes"].size(); ++i)
    validate_one_of(spec["policyTypes"].item(i).str(), {"Ingress", "Egress"}, at.at("policyTypes").at(i), true, errors);
}

}  // namespace

void networkpolicy_rules(Kind& k) {
  k.set_defaults = default_networkpolicy;
  k.validate = validate_networkpolicy;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_networkpolicy(o, errors); };
  k.columns = {
      name_column(),
      {"Pod-Selector", kText, [](Value o) { return selector_text(o["spec"]["podSelector"]); }},
      age_column(),
  };
}

}  // namespace bramble

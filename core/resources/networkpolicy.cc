// NetworkPolicy: which traffic pods take and send.
#include <set>

#include "core/resources/address_warnings.h"
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
  validate_one_of(p["protocol"].str(), {"TCP", "UDP", "SCTP"}, at.at("protocol"), false, errors);
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

using Texts = std::set<std::string, std::less<>>;

// Ranges that were there before stay as they are written.
void validate_range(std::string_view cidr, const Texts& before, const Path& at, FieldErrors& errors) {
  if (!before.count(cidr)) validate_cidr(cidr, at, errors);
}

void validate_ip_block(Value block, const Texts& before, const Path& at, FieldErrors& errors) {
  const std::string_view cidr = block["cidr"].str();
  if (cidr.empty()) return errors.required(at.at("cidr"));
  validate_range(cidr, before, at.at("cidr"), errors);
  const auto range = parse_cidr_sloppily(cidr);
  if (!range) return;
  for (size_t i = 0; i < block["except"].size(); ++i) {
    const std::string_view except = block["except"].item(i).str();
    validate_range(except, before, at.at("except").at(i), errors);
    const auto inner = parse_cidr_sloppily(except);
    if (inner && !range->strictly_contains(*inner)) errors.invalid(at.at("except").at(i), except, "must be a strict subset of `cidr`");
  }
}

void validate_peer(Value peer, const Texts& before, const Path& at, FieldErrors& errors) {
  int sorts = 0;
  for (const char* f : {"podSelector", "namespaceSelector"}) {
    sorts += peer.has(f);
    validate_label_selector(peer[f], at.at(f), errors);
  }
  const bool block = peer["ipBlock"].is_object();
  if (block) validate_ip_block(peer["ipBlock"], before, at.at("ipBlock"), errors);
  if (sorts == 0 && !block) errors.required(at, "must specify a peer");
  if (sorts > 0 && block) errors.forbidden(at, "may not specify both ipBlock and another peer");
}

struct Direction {
  const char *list, *peers;
};
constexpr Direction kDirections[] = {{"ingress", "from"}, {"egress", "to"}};

// Each block of addresses with its place.
template <class F>
void for_each_block(Value spec, F fn) {
  for (const Direction& d : kDirections)
    for (size_t i = 0; i < spec[d.list].size(); ++i) {
      const Value peers = spec[d.list].item(i)[d.peers];
      for (size_t j = 0; j < peers.size(); ++j)
        if (peers.item(j)["ipBlock"].is_object())
          fn(peers.item(j)["ipBlock"], Path("spec").at(d.list).at(i).at(d.peers).at(j).at("ipBlock"));
    }
}

void validate_spec(Value spec, Value old_spec, FieldErrors& errors) {
  const Path at("spec");
  Texts before;
  for_each_block(old_spec, [&before](Value block, const Path&) {
    before.insert(block["cidr"].text());
    for (Value except : block["except"].items()) before.insert(except.text());
  });
  validate_label_selector(spec["podSelector"], at.at("podSelector"), errors);
  for (const Direction& d : kDirections)
    for (size_t i = 0; i < spec[d.list].size(); ++i) {
      const Value rule = spec[d.list].item(i);
      const Path here = at.at(d.list).at(i);
      for (size_t j = 0; j < rule["ports"].size(); ++j)
        validate_policy_port(rule["ports"].item(j), here.at("ports").at(j), errors);
      for (size_t j = 0; j < rule[d.peers].size(); ++j) validate_peer(rule[d.peers].item(j), before, here.at(d.peers).at(j), errors);
    }
  const Value types = spec["policyTypes"];
  if (types.size() > 2) return errors.invalid(at.at("policyTypes"), types, "may not specify more than two policyTypes");
  for (size_t i = 0; i < types.size(); ++i) {
    const std::string_view type = types.item(i).str();
    if (type != "Ingress" && type != "Egress") errors.not_supported(at.at("policyTypes").at(i), type, {"Ingress", "Egress"});
  }
}

void warnings(Value o, std::vector<std::string>& out) {
  for_each_block(o["spec"], [&out](Value block, const Path& at) {
    range_warnings(block["cidr"].str(), at.at("cidr"), out);
    for (size_t i = 0; i < block["except"].size(); ++i) range_warnings(block["except"].item(i).str(), at.at("except").at(i), out);
  });
}

}  // namespace

void networkpolicy_rules(Kind& k) {
  k.set_defaults = default_networkpolicy;
  k.validate = [](Value o, FieldErrors& errors) { validate_spec(o["spec"], Value(), errors); };
  k.validate_update = [](Value o, Value old, FieldErrors& errors) { validate_spec(o["spec"], old["spec"], errors); };
  k.warnings = warnings;
  k.columns = {
      name_column(),
      {"Pod-Selector", kText, [](Value o) { return selector_text(o["spec"]["podSelector"]); }},
      age_column(),
  };
}

}  // namespace bramble

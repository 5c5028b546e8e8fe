// EndpointSlice: a share of a Service's endpoints.
#include <set>

#include "core/resources/address_warnings.h"
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/endpoint_address.h"
#include "core/resources/field_rules.h"
#include "core/resources/ip_range.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/spec_warnings.h"

namespace bramble {
namespace {

constexpr size_t kEndpointsMax = 1000, kAddressesMax = 100, kPortsMax = 20000, kTopologyMax = 16, kHintsMax = 8;
constexpr std::string_view kZoneLabel = "topology.kubernetes.io/zone";

void set_defaults(Mut o) {
  for (Mut p : o["ports"].items()) {
    if (!p.has("name")) p.set("name", "");
    default_text(p, "protocol", "TCP");
  }
}

void validate_domain(std::string_view name, const Path& at, FieldErrors& errors) {
  if (name.empty()) return errors.required(at);
  if (name.back() == '.') name.remove_suffix(1);
  if (const auto bad = check_dns1123_subdomain(name); !bad.empty()) return errors.invalid(at, name, join(bad, ","));
  if (name.find('.') == std::string_view::npos)
    return errors.invalid(at, name, "should be a domain with at least two segments separated by dots");
  for (std::string_view label : split(name, '.'))
    if (const auto bad = check_dns1123_label(label); !bad.empty()) return errors.invalid(at, label, join(bad, ","));
}

void validate_addresses(Value endpoint, std::string_view type, const Path& at, FieldErrors& errors) {
  const Path list = at.at("addresses");
  const Value addresses = endpoint["addresses"];
  if (addresses.size() == 0) errors.required(list, "must contain at least 1 address");
  if (addresses.size() > kAddressesMax) errors.too_many(list, addresses.size(), kAddressesMax);
  for (size_t i = 0; i < addresses.size(); ++i) {
    const std::string_view a = addresses.item(i).str();
    if (type == "FQDN") validate_domain(a, list.at(i), errors);
    if (type != "IPv4" && type != "IPv6") continue;
    const auto ip = parse_ip_sloppily(a);
    if (type == "IPv4" && (!ip || ip->v6)) errors.invalid(list, a, "must be an IPv4 address");
    if (type == "IPv6" && (!ip || !ip->v6)) errors.invalid(list, a, "must be an IPv6 address");
    validate_non_special_ip(a, list.at(i), errors);
  }
}

void validate_hints(Value hints, const Path& at, FieldErrors& errors) {
  using Check = std::vector<std::string> (*)(std::string_view);
  const std::pair<const char*, Check> fields[] = {{"forZones", check_label_value}, {"forNodes", check_dns1123_subdomain}};
  for (const auto& [field, check] : fields) {
    const Path here = at.at(field);
    const Value list = hints[field];
    if (list.size() > kHintsMax) {
      errors.too_many(here, list.size(), kHintsMax);
      continue;
    }
    std::set<std::string> names;
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string_view name = list.item(i)["name"].str();
      if (!names.insert(std::string(name)).second) errors.duplicate(here.at(i).at("name"), name);
      add_invalid(here.at(i).at("name"), name, check(name), errors);
    }
  }
}

void validate_endpoints(Value o, FieldErrors& errors) {
  const Path at("endpoints");
  const Value endpoints = o["endpoints"];
  if (endpoints.size() > kEndpointsMax) return errors.too_many(at, endpoints.size(), kEndpointsMax);
  for (size_t i = 0; i < endpoints.size(); ++i) {
    const Value e = endpoints.item(i);
    const Path here = at.at(i);
    validate_addresses(e, o["addressType"].str(), here, errors);
    if (e.has("nodeName"))
      add_invalid(here.at("nodeName"), e["nodeName"].str(), check_dns1123_subdomain(e["nodeName"].str()), errors);
    const Path topology = here.at("deprecatedTopology");
    if (e["deprecatedTopology"].size() > kTopologyMax) errors.too_many(topology, e["deprecatedTopology"].size(), kTopologyMax);
    validate_labels(e["deprecatedTopology"], topology, errors);
    if (e["deprecatedTopology"].has(kZoneLabel))
      errors.internal(topology.key(kZoneLabel), "reserved key was not removed in conversion");
    if (e.has("hostname"))
      add_invalid(here.at("hostname"), e["hostname"].str(), check_dns1123_label(e["hostname"].str()), errors);
    validate_hints(e["hints"], here.at("hints"), errors);
  }
}

void validate_ports(Value o, FieldErrors& errors) {
  const Path at("ports");
  const Value ports = o["ports"];
  if (ports.size() > kPortsMax) return errors.too_many(at, ports.size(), kPortsMax);
  std::set<std::string> names;
  for (size_t i = 0; i < ports.size(); ++i) {
    const Value p = ports.item(i);
    const Path here = at.at(i);
    const std::string_view name = p["name"].str();
    if (!name.empty()) add_invalid(here.at("name"), name, check_dns1123_label(name), errors);
    if (!names.insert(std::string(name)).second) errors.duplicate(here.at("name"), name);
    validate_one_of(p["protocol"].str(), {"SCTP", "TCP", "UDP"}, here.at("protocol"), true, errors);
    if (const Value protocol = p["appProtocol"]; protocol.exists())
      add_invalid(here.at("appProtocol"), protocol.str(), check_qualified_name(protocol.str()), errors);
  }
}

void validate(Value o, FieldErrors& errors) {
  validate_one_of(o["addressType"].str(), {"FQDN", "IPv4", "IPv6"}, Path("addressType"), true, errors);
  validate_endpoints(o, errors);
  validate_ports(o, errors);
}

void validate_update(Value o, Value old, FieldErrors& errors) {
  if (equal(o["addressType"], old["addressType"])) return validate(o, errors);
  // Addresses of another family would only repeat the one mistake.
  validate_immutable(o["addressType"], old["addressType"], Path("addressType"), errors);
  validate_ports(o, errors);
}

void warnings(Value o, std::vector<std::string>& out) {
  if (is_new(o) && o["addressType"].str() == "FQDN") out.push_back("spec.addressType: FQDN endpoints are deprecated");
  const std::string_view by = o["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"].str();
  if (by == "endpointslice-controller.k8s.io" || by == "endpointslicemirroring-controller.k8s.io") return;
  for (size_t i = 0; i < o["endpoints"].size(); ++i) {
    const Value addresses = o["endpoints"].item(i)["addresses"];
    for (size_t j = 0; j < addresses.size(); ++j)
      address_warnings(addresses.item(j).str(), Path("endpoints").at(i).at("addresses").at(j), out);
  }
}

std::string ports_text(Value o) {
  if (o["ports"].size() == 0) return "<unset>";
  std::vector<std::string> list;
  for (Value p : o["ports"].items()) list.push_back(p.has("port") ? cat(p["port"].integer()) : std::string());
  return list_with_more(list, list.size());
}

std::string addresses_text(Value o) {
  if (o["endpoints"].size() == 0) return "<unset>";
  std::vector<std::string> list;
  for (Value e : o["endpoints"].items())
    for (Value a : e["addresses"].items()) list.push_back(a.text());
  return list_with_more(list, list.size());
}

}  // namespace

void endpointslice_rules(Kind& k) {
  k.meta_again = Kind::MetaAgain::kAsCreate;
  k.set_defaults = set_defaults;
  k.validate = validate;
  k.validate_update = validate_update;
  k.warnings = warnings;
  k.columns = {
      name_column(),
      {"AddressType", kText, [](Value o) { return o["addressType"].str(); }},
      {"Ports", kText, [](Value o) { return ports_text(o); }},
      {"Endpoints", kText, [](Value o) { return addresses_text(o); }},
      age_column(),
  };
}

}  // namespace bramble

// EndpointSlice: a share of a Service's endpoints.
#include <set>

#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/endpoint_address.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"

namespace bramble {
namespace {

constexpr size_t kEndpointsMax = 1000, kAddressesMax = 100, kPortsMax = 20000;

void set_defaults(Mut o) {
  for (Mut p : o["ports"].items()) {
    if (!p.has("name")) p.set("name", "");
    default_text(p, "protocol", "TCP");
  }
}

void validate_addresses(Value endpoint, std::string_view type, const Path& at, FieldErrors& errors) {
  const Path list = at.at("addresses");
  const Value addresses = endpoint["addresses"];
  if (addresses.size() == 0) errors.required(list, "must contain at least 1 address");
  if (addresses.size() > kAddressesMax) errors.too_many(list, addresses.size(), kAddressesMax);
  for (size_t i = 0; i < addresses.size(); ++i) {
    const std::string_view a = addresses.item(i).str();
    if (type == "FQDN") {
      add_invalid(list.at(i), a, check_dns1123_subdomain(a), errors);
      continue;
    }
    if (type == "IPv4" && !is_ipv4(a))
      errors.invalid(list, a, "must be an IPv4 address");
    else if (type == "IPv6" && !is_ipv6(a))
      errors.invalid(list, a, "must be an IPv6 address");
    else if (type == "IPv4" || type == "IPv6")
      validate_non_special_ip(a, list.at(i), errors);
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
    validate_labels(e["deprecatedTopology"], here.at("deprecatedTopology"), errors);
    if (e.has("zone")) add_invalid(here.at("zone"), e["zone"].str(), check_label_value(e["zone"].str()), errors);
    if (e.has("hostname"))
      add_invalid(here.at("hostname"), e["hostname"].str(), check_dns1123_label(e["hostname"].str()), errors);
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
    const std::string_view name = p["name"].str(), protocol = p["appProtocol"].str();
    if (!name.empty()) add_invalid(here.at("name"), name, check_dns1123_label(name), errors);
    if (!names.insert(std::string(name)).second) errors.duplicate(here.at("name"), name);
    validate_one_of(p["protocol"].str(), {"SCTP", "TCP", "UDP"}, here.at("protocol"), true, errors);
    if (!protocol.empty()) add_invalid(here.at("appProtocol"), protocol, check_qualified_name(protocol), errors);
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
  if (o["addressType"].str() == "FQDN") out.push_back("addressType: FQDN endpoints are deprecated");
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

void cells(Value o, int64_t now_us, Mut out) {
  out.append(first_name(o));
  out.append(o["addressType"].str());
  out.append(ports_text(o));
  out.append(addresses_text(o));
  append_age(o, now_us, out);
}

}  // namespace

void endpointslice_rules(Kind& k) {
  k.set_defaults = set_defaults;
  k.validate = validate;
  k.validate_update = validate_update;
  k.warnings = warnings;
  k.columns = columns_of("Name:name, AddressType, Ports, Endpoints, Age");
  k.cells = cells;
}

}  // namespace bramble

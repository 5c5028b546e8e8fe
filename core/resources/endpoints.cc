// Endpoints: the old list of a Service's addresses, kept beside EndpointSlice.
#include "core/resources/address_warnings.h"
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/endpoint_address.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"

namespace bramble {
namespace {

void set_defaults(Mut o) {
  for (Mut s : o["subsets"].items())
    for (Mut p : s["ports"].items()) default_text(p, "protocol", "TCP");
}

void validate_address(Value a, const Path& at, FieldErrors& errors) {
  const std::string_view ip = a["ip"].str(), hostname = a["hostname"].str();
  validate_ip(ip, at.at("ip"), errors);
  if (!hostname.empty()) add_invalid(at.at("hostname"), hostname, check_dns1123_label(hostname), errors);
  if (const Value node = a["nodeName"]; node.exists())
    add_invalid(at.at("nodeName"), node.str(), check_dns1123_subdomain(node.str()), errors);
  validate_non_special_ip(ip, at.at("ip"), errors);
}

void validate_port(Value p, bool name_required, const Path& at, FieldErrors& errors) {
  const std::string_view name = p["name"].str();
  if (name_required && name.empty())
    errors.required(at.at("name"));
  else if (!name.empty())
    add_invalid(at.at("name"), name, check_dns1123_label(name), errors);
  for (const std::string& m : check_port_number(p["port"].integer()))
    errors.invalid(at.at("port"), p["port"].integer(), m);
  validate_one_of(p["protocol"].str(), {"SCTP", "TCP", "UDP"}, at.at("protocol"), true, errors);
  if (const Value protocol = p["appProtocol"]; protocol.exists())
    add_invalid(at.at("appProtocol"), protocol.str(), check_qualified_name(protocol.str()), errors);
}

void validate(Value o, FieldErrors& errors) {
  const Value subsets = o["subsets"];
  for (size_t i = 0; i < subsets.size(); ++i) {
    const Value s = subsets.item(i);
    const Path at = Path("subsets").at(i);
    if (s["addresses"].size() + s["notReadyAddresses"].size() == 0)
      errors.required(at, "must specify `addresses` or `notReadyAddresses`");
    for (const char* list : {"addresses", "notReadyAddresses"})
      for (size_t j = 0; j < s[list].size(); ++j) validate_address(s[list].item(j), at.at(list).at(j), errors);
    for (size_t j = 0; j < s["ports"].size(); ++j)
      validate_port(s["ports"].item(j), s["ports"].size() > 1, at.at("ports").at(j), errors);
  }
}
// What was stored once may stay.
void validate_update(Value o, Value old, FieldErrors& errors) {
  if (!equal(o["subsets"], old["subsets"])) validate(o, errors);
}

// Not those of the controller, which mends addresses itself.
void warnings(Value o, std::vector<std::string>& out) {
  if (o["metadata"]["labels"]["endpoints.kubernetes.io/managed-by"].str() == "endpoint-controller") return;
  for (size_t i = 0; i < o["subsets"].size(); ++i) {
    for (const char* list : {"addresses", "notReadyAddresses"}) {
      const Value addresses = o["subsets"].item(i)[list];
      for (size_t j = 0; j < addresses.size(); ++j)
        address_warnings(addresses.item(j)["ip"].str(), Path("subsets").at(i).at(list).at(j).at("ip"), out);
    }
  }
}

std::string endpoints_text(Value o) {
  if (o["subsets"].size() == 0) return "<none>";
  std::vector<std::string> list;
  for (Value s : o["subsets"].items()) {
    if (s["ports"].size() == 0)
      for (Value a : s["addresses"].items()) list.push_back(a["ip"].text());
    for (Value p : s["ports"].items())
      for (Value a : s["addresses"].items()) {
        const bool v6 = a["ip"].str().find(':') != std::string_view::npos;
        list.push_back(cat(v6 ? "[" : "", a["ip"].str(), v6 ? "]:" : ":", p["port"].integer()));
      }
  }
  return list_with_more(list, list.size());
}

}  // namespace

void endpoints_rules(Kind& k) {
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.set_defaults = set_defaults;
  k.validate = validate;
  k.validate_update = validate_update;
  k.warnings = warnings;
  k.deprecation = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice";
  k.columns = {
      name_column(),
      {"Endpoints", kText, [](Value o) { return endpoints_text(o); }},
      age_column(),
  };
}

}  // namespace bramble

// Ingress: routes from outside to Services; stored and shown, its controller is not ours yet.
#include "core/resources/cells.h"
#include "core/resources/field_rules.h"
#include "core/resources/ip_range.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

void validate_backend(Value backend, const Path& at, FieldErrors& errors) {
  const Value service = backend["service"];
  const bool resource = backend["resource"].is_object();
  if (resource && service.is_object()) {
    errors.invalid(at, "", "cannot set both resource and service backends");
    return;
  }
  if (resource) {
    for (const char* f : {"kind", "name"})
      if (backend["resource"][f].str().empty()) errors.required(at.at("resource").at(f));
    return;
  }
  if (!service.is_object()) {
    errors.required(at, "must specify exactly one of `service` or `resource`");
    return;
  }
  const std::string_view name = service["name"].str(), port = service["port"]["name"].str();
  if (name.empty())
    errors.required(at.at("service").at("name"));
  else
    add_invalid(at.at("service").at("name"), name, check_dns1123_label(name), errors);
  const int64_t number = service["port"]["number"].integer();
  if (!port.empty() && number != 0) {
    errors.invalid(at, "", "cannot set both port name & port number");
  } else if (port.empty() && number == 0) {
    errors.required(at, "port name or number is required");
  } else if (!port.empty()) {
    add_invalid(at.at("service").at("port").at("name"), port, check_port_name(port), errors);
  } else {
    for (const std::string& m : check_port_number(number))
      errors.invalid(at.at("service").at("port").at("number"), number, m);
  }
}

void validate_path(Value p, const Path& at, FieldErrors& errors) {
  const std::string_view type = p["pathType"].str(), path = p["path"].str();
  if (type.empty()) {
    errors.required(at.at("pathType"), "pathType must be specified");
    return;
  }
  if (type == "Exact" || type == "Prefix") {
    if (path.empty() || path[0] != '/') errors.invalid(at.at("path"), path, "must be an absolute path");
    for (std::string_view bad : {"//", "/./", "/../", "%2f", "%2F"})
      if (path.find(bad) != std::string_view::npos)
        errors.invalid(at.at("path"), path, cat("must not contain '", bad, "'"));
    for (std::string_view bad : {"/..", "/."})
      if (path.size() >= bad.size() && path.substr(path.size() - bad.size()) == bad)
        errors.invalid(at.at("path"), path, cat("cannot end with '", bad, "'"));
  } else if (type == "ImplementationSpecific") {
    if (!path.empty() && path[0] != '/') errors.invalid(at.at("path"), path, "must be an absolute path");
  } else {
    errors.not_supported(at.at("pathType"), type, {"Exact", "ImplementationSpecific", "Prefix"});
  }
  validate_backend(p["backend"], at.at("backend"), errors);
}

void validate_ingress(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  if (spec["rules"].size() == 0 && !spec["defaultBackend"].is_object())
    errors.invalid(at, Value(), "either `defaultBackend` or `rules` must be specified");
  if (spec["defaultBackend"].is_object()) validate_backend(spec["defaultBackend"], at.at("defaultBackend"), errors);
  for (size_t i = 0; i < spec["rules"].size(); ++i) {
    const Value rule = spec["rules"].item(i);
    const Path here = at.at("rules").at(i);
    const std::string_view host = rule["host"].str();
    if (!host.empty()) {
      if (parse_ip_sloppily(host)) errors.invalid(here.at("host"), host, "must be a DNS name, not an IP address");
      add_invalid(here.at("host"), host,
                  host.find('*') != std::string_view::npos ? check_wildcard_subdomain(host)
                  : parse_ip_sloppily(host)                ? std::vector<std::string>{}
                                                           : check_dns1123_subdomain(host),
                  errors);
    }
    if (!rule["http"].is_object()) continue;
    if (rule["http"]["paths"].size() == 0) errors.required(here.at("http").at("paths"));
    for (size_t j = 0; j < rule["http"]["paths"].size(); ++j)
      validate_path(rule["http"]["paths"].item(j), here.at("http").at("paths").at(j), errors);
  }
  for (size_t i = 0; i < spec["tls"].size(); ++i)
    for (size_t j = 0; j < spec["tls"].item(i)["hosts"].size(); ++j) {
      const std::string_view host = spec["tls"].item(i)["hosts"].item(j).str();
      add_invalid(
          at.at("tls").at(i).at("hosts").at(j), host,
          host.find('*') != std::string_view::npos ? check_wildcard_subdomain(host) : check_dns1123_subdomain(host),
          errors);
    }
  if (spec.has("ingressClassName")) {
    const std::string_view name = spec["ingressClassName"].str();
    add_invalid(at.at("ingressClassName"), name, check_dns1123_subdomain(name), errors);
  }
}

void create_ingress(Mut o) {
  clear_status(o);
  o.object("status").object("loadBalancer");
}

std::string hosts_text(Value o) {
  std::vector<std::string> hosts;
  for (Value r : o["spec"]["rules"].items())
    if (!r["host"].str().empty()) hosts.push_back(r["host"].text());
  if (hosts.empty()) return "*";
  const size_t more = hosts.size() > 3 ? hosts.size() - 3 : 0;
  hosts.resize(hosts.size() - more);
  std::string shown = join(hosts, ",");
  if (more > 0) shown += cat(" + ", more, " more...");
  return shown;
}

std::string addresses_text(Value o) {
  std::vector<std::string> addresses;
  for (Value i : o["status"]["loadBalancer"]["ingress"].items())
    addresses.push_back(i["ip"].str().empty() ? i["hostname"].text() : i["ip"].text());
  return join(addresses, ",");
}

}  // namespace

void ingress_rules(Kind& k) {
  k.prepare_create = create_ingress;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate_ingress;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_ingress(o, errors); };
  k.columns = {
      name_column(),
      {"Class", kText, [](Value o) { return o["spec"]["ingressClassName"].str("<none>"); }},
      {"Hosts", kText, [](Value o) { return hosts_text(o); }},
      {"Address", kText, [](Value o) { return addresses_text(o); }},
      {"Ports", kText, [](Value o) { return o["spec"]["tls"].size() > 0 ? "80, 443" : "80"; }},
      age_column(),
  };
}

}  // namespace bramble

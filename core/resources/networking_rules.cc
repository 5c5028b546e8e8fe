// Ingress, IngressClass, NetworkPolicy, IPAddress, ServiceCIDR (networking.k8s.io).
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/ip_range.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/rules.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

// -- Ingress

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
  if (name.empty()) errors.required(at.at("service").at("name"));
  else add_invalid(at.at("service").at("name"), name, check_dns1123_label(name), errors);
  const int64_t number = service["port"]["number"].integer();
  if (!port.empty() && number != 0) {
    errors.invalid(at, "", "cannot set both port name & port number");
  } else if (port.empty() && number == 0) {
    errors.required(at, "port name or number is required");
  } else if (!port.empty()) {
    add_invalid(at.at("service").at("port").at("name"), port, check_port_name(port), errors);
  } else {
    for (const std::string& m : check_port_number(number)) errors.invalid(at.at("service").at("port").at("number"), number, m);
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
      if (path.find(bad) != std::string_view::npos) errors.invalid(at.at("path"), path, cat("must not contain '", bad, "'"));
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
      if (check_ip(host).empty()) errors.invalid(here.at("host"), host, "must be a DNS name, not an IP address");
      add_invalid(here.at("host"), host,
                  host.find('*') != std::string_view::npos ? check_wildcard_subdomain(host)
                  : check_ip(host).empty()                 ? std::vector<std::string>{}
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
      add_invalid(at.at("tls").at(i).at("hosts").at(j), host,
                  host.find('*') != std::string_view::npos ? check_wildcard_subdomain(host) : check_dns1123_subdomain(host), errors);
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

void ingress_cells(Value o, int64_t now_us, Mut out) {
  const Value spec = o["spec"];
  std::vector<std::string> hosts, addresses;
  for (Value r : spec["rules"].items())
    if (!r["host"].str().empty()) hosts.push_back(r["host"].text());
  std::string shown = "*";
  if (!hosts.empty()) {
    const size_t more = hosts.size() > 3 ? hosts.size() - 3 : 0;
    hosts.resize(hosts.size() - more);
    shown = join(hosts, ",");
    if (more > 0) shown += cat(" + ", more, " more...");
  }
  for (Value i : o["status"]["loadBalancer"]["ingress"].items())
    addresses.push_back(i["ip"].str().empty() ? i["hostname"].text() : i["ip"].text());
  out.append(first_name(o));
  out.append(spec["ingressClassName"].str("<none>"));
  out.append(shown);
  out.append(join(addresses, ","));
  out.append(spec["tls"].size() > 0 ? "80, 443" : "80");
  append_age(o, now_us, out);
}

// -- IngressClass

void default_ingressclass(Mut o) {
  Mut parameters = o["spec"]["parameters"];
  if (parameters.is_object()) default_text(parameters, "scope", "Cluster");
}
void validate_ingressclass(Value o, FieldErrors& errors) {
  const Path at = Path("spec");
  const std::string_view controller = o["spec"]["controller"].str();
  if (controller.size() > 250) errors.too_long(at.at("controller"), 250);
  if (controller.empty()) errors.required(at.at("controller"));
  else add_invalid(at.at("controller"), controller, check_fully_qualified_name(controller), errors);
  const Value parameters = o["spec"]["parameters"];
  if (!parameters.is_object()) return;
  const Path here = at.at("parameters");
  for (const char* f : {"kind", "name"})
    if (parameters[f].str().empty()) errors.required(here.at(f), cat(f, " is required"));
  const std::string_view scope = parameters["scope"].str();
  validate_one_of(scope, {"Cluster", "Namespace"}, here.at("scope"), true, errors);
  if (scope == "Namespace" && parameters["namespace"].str().empty())
    errors.required(here.at("namespace"), "`parameters.scope` is set to 'Namespace'");
  if (scope == "Cluster" && parameters.has("namespace"))
    errors.forbidden(here.at("namespace"), "`parameters.scope` is set to 'Cluster'");
}
void update_ingressclass(Value o, Value old, FieldErrors& errors) {
  validate_immutable(o["spec"]["controller"], old["spec"]["controller"], Path("spec").at("controller"), errors);
  validate_ingressclass(o, errors);
}
void ingressclass_cells(Value o, int64_t now_us, Mut out) {
  const Value p = o["spec"]["parameters"];
  std::string parameters = "<none>";
  if (p.is_object()) {
    parameters = p["kind"].text();
    if (!p["apiGroup"].str().empty()) parameters += cat(".", p["apiGroup"].str());
    parameters += cat("/", p["name"].str());
  }
  out.append(first_name(o));
  out.append(o["spec"]["controller"].str());
  out.append(parameters);
  append_age(o, now_us, out);
}

// -- NetworkPolicy

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
    if (p.has("endPort")) errors.invalid(at.at("endPort"), p["endPort"].integer(), "may not be specified when `port` is not specified");
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
    if (!inner) validate_cidr(except, at.at("except").at(i), errors);
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
void networkpolicy_cells(Value o, int64_t now_us, Mut out) {
  out.append(first_name(o));
  out.append(selector_text(o["spec"]["podSelector"]));
  append_age(o, now_us, out);
}

// -- addresses

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

void ingress_rules(Kind& k) {
  k.prepare_create = create_ingress;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate_ingress;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_ingress(o, errors); };
  k.columns = columns_of("Name:name, Class, Hosts, Address, Ports, Age");
  k.cells = ingress_cells;
}
void ingressclass_rules(Kind& k) {
  k.set_defaults = default_ingressclass;
  k.validate = validate_ingressclass;
  k.validate_update = update_ingressclass;
  k.columns = columns_of("Name:name, Controller, Parameters, Age");
  k.cells = ingressclass_cells;
}
void networkpolicy_rules(Kind& k) {
  k.set_defaults = default_networkpolicy;
  k.validate = validate_networkpolicy;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_networkpolicy(o, errors); };
  k.columns = columns_of("Name:name, Pod-Selector, Age");
  k.cells = networkpolicy_cells;
}
void ipaddress_rules(Kind& k) {
  k.columns = columns_of("Name:name, ParentRef");
  k.cells = ipaddress_cells;
}
void servicecidr_rules(Kind& k) {
  k.prepare_create = clear_status;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate_servicecidr;
  k.validate_update = [](Value o, Value old, FieldErrors& errors) {
    if (!equal(o["spec"]["cidrs"], old["spec"]["cidrs"])) validate_immutable(o["spec"]["cidrs"], old["spec"]["cidrs"], Path("spec").at("cidrs"), errors);
  };
  k.columns = columns_of("Name:name, CIDRs, Age");
  k.cells = servicecidr_cells;
}

}  // namespace bramble

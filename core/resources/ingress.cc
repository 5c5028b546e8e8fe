// Ingress: routes from outside to Services; stored and shown, its controller is not ours yet.
#include <set>

#include "core/resources/cells.h"
#include "core/resources/field_rules.h"
#include "core/resources/ip_range.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/spec_warnings.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

void validate_reference(Value ref, const Path& at, FieldErrors& errors) {
  if (ref.has("apiGroup")) add_invalid(at.at("apiGroup"), ref["apiGroup"].str(), check_dns1123_subdomain(ref["apiGroup"].str()), errors);
  for (const char* f : {"kind", "name"}) {
    if (ref[f].str().empty())
      errors.required(at.at(f));
    else
      add_invalid(at.at(f), ref[f].str(), check_path_segment(ref[f].str()), errors);
  }
}

void validate_backend(Value backend, const Path& at, FieldErrors& errors) {
  const Value service = backend["service"], resource = backend["resource"];
  if (resource.is_object() && service.is_object()) return errors.invalid(at, "", "cannot set both resource and service backends");
  if (resource.is_object()) return validate_reference(resource, at.at("resource"), errors);
  if (!service.is_object()) return errors.invalid(at, "", "resource or service backend is required");
  const std::string_view name = service["name"].str(), port = service["port"]["name"].str();
  const int64_t number = service["port"]["number"].integer();
  if (name.empty())
    errors.required(at.at("service").at("name"));
  else
    add_invalid(at.at("service").at("name"), name, check_dns1123_label(name), errors);
  const Path port_at = at.at("service").at("port");
  if (!port.empty() && number != 0) {
    errors.invalid(at, "", "cannot set both port name & port number");
  } else if (!port.empty()) {
    add_invalid(port_at.at("name"), port, check_port_name(port), errors);
  } else if (number != 0) {
    for (const std::string& m : check_port_number(number)) errors.invalid(port_at.at("number"), number, m);
  } else {
    errors.required(at, "port name or number is required");
  }
}

void validate_path(Value p, const Path& at, FieldErrors& errors) {
  const std::string_view type = p["pathType"].str(), path = p["path"].str();
  if (type.empty()) return errors.required(at.at("pathType"), "pathType must be specified");
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

bool is_wildcard(std::string_view host) { return host.find('*') != std::string_view::npos; }

void validate_host(std::string_view host, const Path& at, FieldErrors& errors) {
  add_invalid(at, host, is_wildcard(host) ? check_wildcard_subdomain(host) : check_dns1123_subdomain(host), errors);
}

void validate_http(Value http, const Path& at, FieldErrors& errors) {
  if (!http.is_object()) return;
  if (http["paths"].size() == 0) errors.required(at.at("paths"));
  for (size_t i = 0; i < http["paths"].size(); ++i) validate_path(http["paths"].item(i), at.at("paths").at(i), errors);
}

bool has_bad_secret(Value spec) {
  for (Value t : spec["tls"].items())
    if (const std::string_view name = t["secretName"].str(); !name.empty() && !check_dns1123_subdomain(name).empty()) return true;
  return false;
}

bool has_bad_wildcard_rule(Value spec) {
  FieldErrors errors;
  for (Value r : spec["rules"].items())
    if (is_wildcard(r["host"].str())) validate_http(r["http"], Path(), errors);
  return !errors.empty();
}

void validate_spec(Value spec, Value old_spec, FieldErrors& errors) {
  const Path at("spec");
  const Value rules = spec["rules"], tls = spec["tls"];
  if (rules.size() == 0 && !spec["defaultBackend"].is_object())
    errors.invalid(at, Value(), "either `defaultBackend` or `rules` must be specified");
  if (spec["defaultBackend"].is_object()) validate_backend(spec["defaultBackend"], at.at("defaultBackend"), errors);
  const bool lenient_wildcards = has_bad_wildcard_rule(old_spec), lenient_secrets = has_bad_secret(old_spec);
  for (size_t i = 0; i < rules.size(); ++i) {
    const Path here = at.at("rules").at(i);
    const std::string_view host = rules.item(i)["host"].str();
    if (!host.empty()) {
      if (parse_ip_sloppily(host)) errors.invalid(here.at("host"), host, "must be a DNS name, not an IP address");
      validate_host(host, here.at("host"), errors);
    }
    if (!is_wildcard(host) || !lenient_wildcards) validate_http(rules.item(i)["http"], here.at("http"), errors);
  }
  for (size_t i = 0; i < tls.size(); ++i) {
    const Path here = at.at("tls").at(i);
    const Value hosts = tls.item(i)["hosts"];
    for (size_t j = 0; j < hosts.size(); ++j) validate_host(hosts.item(j).str(), here.at("hosts").at(j), errors);
    const std::string_view secret = tls.item(i)["secretName"].str();
    if (!secret.empty() && !lenient_secrets) add_invalid(here.at("secretName"), secret, check_dns1123_subdomain(secret), errors);
  }
  if (spec.has("ingressClassName")) {
    const std::string_view name = spec["ingressClassName"].str();
    add_invalid(at.at("ingressClassName"), name, check_dns1123_subdomain(name), errors);
  }
}

constexpr std::string_view kClassAnnotation = "kubernetes.io/ingress.class";

void validate_ingress(Value o, FieldErrors& errors) {
  validate_spec(o["spec"], Value(), errors);
  const Value old_way = o["metadata"]["annotations"][kClassAnnotation];
  if (old_way.exists() && o["spec"].has("ingressClassName") && old_way.str() != o["spec"]["ingressClassName"].str())
    errors.invalid(Path("annotations").at(kClassAnnotation), old_way.str(), "must match `ingressClassName` when both are specified");
}

void validate_status(Value o, Value old, FieldErrors& errors) {
  const Value now = o["status"]["loadBalancer"]["ingress"], was = old["status"]["loadBalancer"]["ingress"];
  auto was_there = [&was](std::string_view ip) {
    for (Value v : was.items())
      if (v["ip"].str() == ip) return true;
    return false;
  };
  for (size_t i = 0; i < now.size(); ++i) {
    const Path at = Path("status").at("loadBalancer").at("ingress").at(i);
    const std::string_view ip = now.item(i)["ip"].str(), host = now.item(i)["hostname"].str();
    if (!ip.empty() && !was_there(ip)) validate_ip(ip, at.at("ip"), errors);
    if (host.empty()) continue;
    add_invalid(at.at("hostname"), host, check_dns1123_subdomain(host), errors);
    if (parse_ip_sloppily(host)) errors.invalid(at.at("hostname"), host, "must be a DNS name, not an IP address");
  }
}

void warnings(Value o, std::vector<std::string>& out) {
  if (is_new(o) && o["metadata"]["annotations"].has(kClassAnnotation) && !o["spec"].has("ingressClassName"))
    out.push_back(cat("annotation ", go_quote(kClassAnnotation), " is deprecated, please use 'spec.ingressClassName' instead"));
}

void create_ingress(Mut o) {
  clear_status(o);
  o.object("status").object("loadBalancer");
}

// Three hosts and how many rules there are beyond three.
std::string hosts_text(Value o) {
  constexpr size_t kShown = 3;
  std::vector<std::string> hosts;
  bool more = false;
  const Value rules = o["spec"]["rules"];
  for (Value r : rules.items()) {
    more = more || hosts.size() == kShown;
    if (!more && !r["host"].str().empty()) hosts.push_back(r["host"].text());
  }
  if (hosts.empty()) return "*";
  std::string shown = join(hosts, ",");
  if (more) shown += cat(" + ", rules.size() - kShown, " more...");
  return shown;
}

std::string addresses_text(Value o) {
  constexpr size_t kWidth = 16;
  std::set<std::string> addresses;
  for (Value i : o["status"]["loadBalancer"]["ingress"].items()) {
    const std::string text = i["ip"].str().empty() ? i["hostname"].text() : i["ip"].text();
    if (!text.empty()) addresses.insert(text);
  }
  std::string shown = join({addresses.begin(), addresses.end()}, ",");
  if (shown.size() > kWidth) shown = cat(shown.substr(0, kWidth - 3), "...");
  return shown;
}

}  // namespace

void ingress_rules(Kind& k) {
  k.prepare_create = create_ingress;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate_ingress;
  k.validate_update = [](Value o, Value old, FieldErrors& errors) { validate_spec(o["spec"], old["spec"], errors); };
  k.validate_status_update = validate_status;
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.warnings = warnings;
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

// Service: a name and an address for pods. What it needs from the allocators is in service_allocation.cc.
#include <set>

#include "core/resources/address_warnings.h"
#include "core/resources/cells.h"
#include "core/resources/defaulting.h"
#include "core/resources/endpoint_address.h"
#include "core/resources/field_rules.h"
#include "core/resources/ip_range.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/service_allocation.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

constexpr int64_t kAffinitySecondsMax = 86400, kAffinitySeconds = 10800;

bool is_headless(Value spec) { return spec["clusterIPs"].item(0).str() == "None"; }
bool is_external(std::string_view type, bool external_ips) {
  return type == "LoadBalancer" || type == "NodePort" || (type == "ClusterIP" && external_ips);
}

bool no_target(Mut port) {
  const Mut t = port["targetPort"];
  return !t.exists() || (t.is_string() ? t.str().empty() : t.integer() == 0);
}

void set_defaults(Mut o) {
  Mut spec = o.object("spec");
  default_text(spec, "sessionAffinity", "None");
  if (spec["sessionAffinity"].str() == "None") spec.remove("sessionAffinityConfig");
  if (spec["sessionAffinity"].str() == "ClientIP")
    default_int(spec.object("sessionAffinityConfig").object("clientIP"), "timeoutSeconds", kAffinitySeconds);
  default_text(spec, "type", "ClusterIP");
  for (Mut p : spec["ports"].items()) {
    default_text(p, "protocol", "TCP");
    if (no_target(p)) p.set("targetPort", p["port"].integer());
  }
  const std::string type = spec["type"].text();
  if (is_external(type, spec["externalIPs"].size() > 0)) default_text(spec, "externalTrafficPolicy", "Cluster");
  if (type == "ClusterIP" || type == "NodePort" || type == "LoadBalancer")
    default_text(spec, "internalTrafficPolicy", "Cluster");
  if (type == "LoadBalancer") default_bool(spec, "allocateLoadBalancerNodePorts", true);
  for (Mut i : o["status"]["loadBalancer"]["ingress"].items())
    if (!i["ip"].str().empty()) default_text(i, "ipMode", "VIP");
}

void prepare_create(Mut o) {
  clear_status(o);
  o.object("status").object("loadBalancer");
  normalize_service(o, Value(), "IPv4");
}
void prepare_update(Mut o, Value old) {
  keep_status(o, old);
  normalize_service(o, old, "IPv4");
}
void prepare_status_update(Mut o, Value old) { keep_spec(o, old); }

void validate_ports(Value spec, FieldErrors& errors) {
  const Path at = Path("spec").at("ports");
  const Value ports = spec["ports"];
  std::set<std::string> names;
  for (size_t i = 0; i < ports.size(); ++i) {
    const Value p = ports.item(i);
    const Path here = at.at(i);
    const std::string_view name = p["name"].str();
    if (ports.size() > 1 && name.empty()) {
      errors.required(here.at("name"));
    } else if (!name.empty()) {
      add_invalid(here.at("name"), name, check_dns1123_label(name), errors);
      if (!names.insert(std::string(name)).second) errors.duplicate(here.at("name"), name);
    }
    for (const std::string& m : check_port_number(p["port"].integer()))
      errors.invalid(here.at("port"), p["port"].integer(), m);
    validate_one_of(p["protocol"].str(), {"SCTP", "TCP", "UDP"}, here.at("protocol"), true, errors);
    validate_port_or_name(p["targetPort"], here.at("targetPort"), errors);
    if (const Value protocol = p["appProtocol"]; protocol.exists())
      add_invalid(here.at("appProtocol"), protocol.str(), check_qualified_name(protocol.str()), errors);
  }
}

void validate_type(Value spec, FieldErrors& errors) {
  const Path at("spec");
  const std::string_view type = spec["type"].str();
  if ((type == "LoadBalancer" || type == "NodePort") && is_headless(spec))
    errors.invalid(at.at("clusterIPs").at(size_t{0}), "None", cat("may not be set to 'None' for ", type, " services"));
  if (type != "ExternalName") return;
  for (const char* field : {"clusterIPs", "ipFamilies", "ipFamilyPolicy"})
    if (spec[field].is_string() ? !spec[field].str().empty() : spec[field].size() > 0)
      errors.forbidden(at.at(field), "may not be set for ExternalName services");
  std::string_view name = spec["externalName"].str();
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  if (name.empty())
    errors.required(at.at("externalName"));
  else
    add_invalid(at.at("externalName"), name, check_dns1123_subdomain(name), errors);
}

void validate_affinity_fields(Value spec, FieldErrors& errors) {
  const Path at("spec");
  const std::string_view affinity = spec["sessionAffinity"].str();
  const Value config = spec["sessionAffinityConfig"];
  validate_one_of(affinity, {"ClientIP", "None"}, at.at("sessionAffinity"), true, errors);
  if (affinity == "ClientIP") {
    const Path here = at.at("sessionAffinityConfig");
    if (!config["clientIP"]["timeoutSeconds"].exists()) {
      errors.required(here, "when session affinity type is ClientIP");
    } else if (const int64_t s = config["clientIP"]["timeoutSeconds"].integer(); s <= 0 || s > kAffinitySecondsMax) {
      errors.invalid(here.at("clientIP").at("timeoutSeconds"), s, "must be greater than 0 and less than 86400");
    }
  } else if (affinity == "None" && config.exists()) {
    errors.forbidden(at.at("sessionAffinityConfig"), "must not be set when session affinity is None");
  }
}

// Whether no two of the addresses are of one family.
bool one_of_each_family(Value ips) {
  size_t v6 = 0;
  for (Value ip : ips.items()) v6 += is_ipv6(ip.str()) ? 1 : 0;
  return v6 <= 1 && ips.size() - v6 <= 1;
}

void validate_families(Value spec, FieldErrors& errors) {
  const Path at = Path("spec").at("ipFamilies");
  std::set<std::string, std::less<>> seen;
  for (size_t i = 0; i < spec["ipFamilies"].size(); ++i) {
    const std::string_view family = spec["ipFamilies"].item(i).str();
    if (family != "IPv4" && family != "IPv6") errors.not_supported(at.at(i), family, {"IPv4", "IPv6"});
    if (!seen.insert(std::string(family)).second) errors.duplicate(at.at(i), family);
  }
  const Path policy_at = Path("spec").at("ipFamilyPolicy");
  const std::string_view policy = spec["ipFamilyPolicy"].str();
  validate_one_of(policy, {"PreferDualStack", "RequireDualStack", "SingleStack"}, policy_at, false, errors);
  if (policy == "RequireDualStack") errors.invalid(policy_at, policy, "this cluster is not configured for dual-stack services");
}

void validate_cluster_ips(Value spec, FieldErrors& errors) {
  if (spec["type"].str() == "ExternalName") return;
  const Path at = Path("spec").at("clusterIPs");
  const Value ips = spec["clusterIPs"];
  const std::string_view first = spec["clusterIP"].str();
  if (first.empty()) {
    if (ips.size() > 0) errors.invalid(at, ips, "must be empty when `clusterIP` is not specified");
  } else if (ips.size() == 0) {
    errors.required(at);
  } else if (ips.item(0).str() != first) {
    errors.invalid(at, ips, "first value must match `clusterIP`");
  }
  validate_families(spec, errors);
  bool bad = is_headless(spec) && ips.size() > 1;
  if (bad) errors.invalid(at, ips, "'None' must be the first and only value");
  for (size_t i = is_headless(spec) ? 1 : 0; i < ips.size(); ++i) {
    bad = bad || !check_ip(ips.item(i).str()).empty();
    validate_ip(ips.item(i).str(), at.at(i), errors);
  }
  if (ips.size() > 2) errors.invalid(at, ips, "may only hold up to 2 values");
  if (bad) return;
  if (!one_of_each_family(ips)) errors.invalid(at, ips, "may specify no more than one IP for each IP family");
  if (is_headless(spec)) return;
  for (size_t i = 0; i < ips.size() && i < spec["ipFamilies"].size(); ++i) {
    const std::string_view family = spec["ipFamilies"].item(i).str(), ip = ips.item(i).str();
    if ((family == "IPv4" && is_ipv6(ip)) || (family == "IPv6" && !is_ipv6(ip)))
      errors.invalid(at.at(i), ip, cat("expected an ", family, " value as indicated by `ipFamilies[", i, "]`"));
  }
}

// The internal struct, as upstream prints the duplicate of a port.
std::string printed_port(Value p) {
  return cat("{\"Name\":\"\",\"Protocol\":", go_quote(p["protocol"].str()),
             ",\"AppProtocol\":null,\"Port\":", p["port"].integer(), ",\"TargetPort\":0,\"NodePort\":0}");
}

void validate_duplicates(Value spec, FieldErrors& errors) {
  const Path at = Path("spec").at("ports");
  const Value ports = spec["ports"];
  std::set<std::string> node_ports, seen;
  for (size_t i = 0; i < ports.size(); ++i) {
    const Value p = ports.item(i);
    const int64_t node_port = p["nodePort"].integer();
    if (node_port == 0) continue;
    if (spec["type"].str() == "ClusterIP")
      errors.forbidden(at.at(i).at("nodePort"), "may not be used when `type` is 'ClusterIP'");
    if (!node_ports.insert(cat(p["protocol"].str(), "/", node_port)).second)
      errors.duplicate_raw(at.at(i).at("nodePort"), cat(node_port));
  }
  for (size_t i = 0; i < ports.size(); ++i)
    if (!seen.insert(cat(ports.item(i)["protocol"].str(), "/", ports.item(i)["port"].integer())).second)
      errors.duplicate_raw(at.at(i), printed_port(ports.item(i)));
}

// Ranges in the field or, when there are none, in the annotation of old.
void validate_source_ranges(Value o, FieldErrors& errors) {
  constexpr std::string_view kAnnotation = "service.beta.kubernetes.io/load-balancer-source-ranges";
  constexpr std::string_view kNotHere = "may only be used when `type` is 'LoadBalancer'";
  const Value spec = o["spec"], ranges = spec["loadBalancerSourceRanges"], annotation = o["metadata"]["annotations"][kAnnotation];
  const bool balancer = spec["type"].str() == "LoadBalancer";
  if (ranges.size() > 0) {
    const Path at = Path("spec").at("LoadBalancerSourceRanges");  // upstream's capital
    if (!balancer) errors.forbidden(at, kNotHere);
    for (size_t i = 0; i < ranges.size(); ++i) validate_cidr(trim(ranges.item(i).str()), at.at(i), errors);
  } else if (annotation.exists()) {
    const Path at = Path("metadata").at("annotations").key(kAnnotation);
    if (!balancer) errors.forbidden(at, kNotHere);
    if (trim(annotation.str()).empty()) return;
    for (std::string_view range : split(annotation.str(), ',')) validate_cidr(trim(range), at, errors);
  }
}

void validate_topology_annotations(Value annotations, FieldErrors& errors) {
  constexpr std::string_view kMode = "service.kubernetes.io/topology-mode", kHints = "service.kubernetes.io/topology-aware-hints";
  const Value mode = annotations[kMode], hints = annotations[kHints];
  if (mode.exists() && hints.exists() && mode.str() != hints.str())
    errors.invalid(Path("metadata").at("annotations").key(kMode), mode.str(),
                   cat("must match annotations[", kHints, "] when both are specified"));
}

void validate_traffic(Value spec, FieldErrors& errors) {
  const Path at("spec");
  const std::string_view type = spec["type"].str(), external = spec["externalTrafficPolicy"].str();
  if (spec.has("allocateLoadBalancerNodePorts") && type != "LoadBalancer")
    errors.forbidden(at.at("allocateLoadBalancerNodePorts"), "may only be used when `type` is 'LoadBalancer'");
  if (spec.has("loadBalancerClass")) {
    const Path here = at.at("loadBalancerClass");
    if (type != "LoadBalancer")
      errors.forbidden(here, "may only be used when `type` is 'LoadBalancer'");
    else
      add_invalid(here, spec["loadBalancerClass"].str(), check_qualified_name(spec["loadBalancerClass"].str()), errors);
  }
  if (!is_external(type, spec["externalIPs"].size() > 0)) {
    if (!external.empty())
      errors.invalid(at.at("externalTrafficPolicy"), external, "may only be set for externally-accessible services");
  } else {
    validate_one_of(external, {"Cluster", "Local"}, at.at("externalTrafficPolicy"), true, errors);
  }
  const int64_t health = spec["healthCheckNodePort"].integer();
  if (!(type == "LoadBalancer" && external == "Local")) {
    if (health != 0)
      errors.invalid(at.at("healthCheckNodePort"), health,
                     "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'");
  } else if (health > 0) {
    for (const std::string& m : check_port_number(health)) errors.invalid(at.at("healthCheckNodePort"), health, m);
  }
  if (const Value internal = spec["internalTrafficPolicy"]; internal.exists())
    if (internal.str() != "Cluster" && internal.str() != "Local")
      errors.not_supported(at.at("internalTrafficPolicy"), internal.str(), {"Cluster", "Local"});
  if (const Value wish = spec["trafficDistribution"]; wish.exists())
    if (wish.str() != "PreferClose" && wish.str() != "PreferSameZone" && wish.str() != "PreferSameNode")
      errors.not_supported(at.at("trafficDistribution"), wish.str(), {"PreferClose", "PreferSameZone", "PreferSameNode"});
}

void validate(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  const std::string_view type = spec["type"].str();
  validate_topology_annotations(o["metadata"]["annotations"], errors);
  if (spec["ports"].size() == 0 && !is_headless(spec) && type != "ExternalName") errors.required(at.at("ports"));
  validate_type(spec, errors);
  validate_ports(spec, errors);
  validate_labels(spec["selector"], at.at("selector"), errors);
  validate_affinity_fields(spec, errors);
  validate_cluster_ips(spec, errors);
  for (size_t i = 0; i < spec["externalIPs"].size(); ++i) {
    const std::string_view ip = spec["externalIPs"].item(i).str();
    if (!check_ip(ip).empty())
      validate_ip(ip, at.at("externalIPs").at(i), errors);
    else
      validate_non_special_ip(ip, at.at("externalIPs").at(i), errors);
  }
  validate_one_of(type, {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"}, at.at("type"), true, errors);
  validate_duplicates(spec, errors);
  validate_source_ranges(o, errors);
  validate_traffic(spec, errors);
}

// Addresses may be added or released behind the first, which stays what it is.
void validate_address_change(Value spec, Value was, FieldErrors& errors) {
  const Path at = Path("spec").at("clusterIPs");
  const Value ips = spec["clusterIPs"], before = was["clusterIPs"];
  if (is_headless(spec) && is_headless(was)) return;
  if (ips.size() == before.size()) {
    for (size_t i = 0; i < ips.size(); ++i)
      if (ips.item(i).str() != before.item(i).str()) errors.invalid(at.at(i), ips, "may not change once set");
    return;
  }
  if (ips.size() == 0) return errors.invalid(at.at(size_t{0}), ips, "primary clusterIP can not be unset");
  if (before.size() > 0 && ips.item(0).str() != before.item(0).str())
    errors.invalid(at.at(size_t{0}), ips, "may not change once set");
  if (ips.size() < before.size() && ips.size() == 1 && spec["ipFamilyPolicy"].str() != "SingleStack")
    errors.invalid(Path("spec").at("ipFamilyPolicy"), spec["ipFamilyPolicy"],
                   "must be set to 'SingleStack' when releasing the secondary clusterIP");
}

void validate_family_change(Value spec, Value was, FieldErrors& errors) {
  const Path at = Path("spec").at("ipFamilies").at(size_t{0});
  const Value now = spec["ipFamilies"], before = was["ipFamilies"];
  if (is_headless(spec) || is_headless(was)) return;
  if (now.size() == before.size()) {
    for (size_t i = 0; i < now.size(); ++i)
      if (now.item(i).str() != before.item(i).str()) errors.invalid(at, now, "may not change once set");
    return;
  }
  const bool released = now.size() < before.size();
  if (released && spec["clusterIPs"].size() == 0) errors.invalid(at, now, "primary ipFamily can not be unset");
  if (now.size() > 0 && before.size() > 0 && now.item(0).str() != before.item(0).str())
    errors.invalid(at, spec["clusterIPs"], "may not change once set");
  if (released && now.size() == 1 && spec["ipFamilyPolicy"].str() != "SingleStack")
    errors.invalid(Path("spec").at("ipFamilyPolicy"), spec["ipFamilyPolicy"],
                   "must be set to 'SingleStack' when releasing the secondary ipFamily");
}

bool needs_health_check(Value spec) { return spec["type"].str() == "LoadBalancer" && spec["externalTrafficPolicy"].str() == "Local"; }

void validate_update(Value o, Value old, FieldErrors& errors) {
  const Value spec = o["spec"], was = old["spec"];
  if (spec["type"].str() != "ExternalName" && was["type"].str() != "ExternalName") {
    validate_address_change(spec, was, errors);
    validate_family_change(spec, was, errors);
  }
  if (spec["type"].str() == "LoadBalancer" && was["type"].str() == "LoadBalancer" &&
      spec["loadBalancerClass"].str() != was["loadBalancerClass"].str())
    errors.invalid(Path("spec").at("loadBalancerClass"), spec["loadBalancerClass"], "may not change once set");
  if (needs_health_check(spec) && needs_health_check(was) &&
      spec["healthCheckNodePort"].integer() != was["healthCheckNodePort"].integer())
    errors.forbidden(Path("spec").at("healthCheckNodePort"), kFieldImmutable);
  validate(o, errors);
}

void validate_status_update(Value o, Value, FieldErrors& errors) {
  const Path at = Path("status").at("loadBalancer").at("ingress");
  const Value ingress = o["status"]["loadBalancer"]["ingress"];
  if (ingress.size() > 0 && o["spec"]["type"].str() != "LoadBalancer")
    return errors.forbidden(at, "may only be used when `spec.type` is 'LoadBalancer'");
  for (size_t i = 0; i < ingress.size(); ++i) {
    const Value in = ingress.item(i);
    const std::string_view ip = in["ip"].str(), host = in["hostname"].str(), mode = in["ipMode"].str();
    if (!ip.empty()) validate_ip(ip, at.at(i).at("ip"), errors);
    if (!mode.empty() && ip.empty())
      errors.forbidden(at.at(i).at("ipMode"), "may not be specified when `ip` is not set");
    else if (!mode.empty())
      validate_one_of(mode, {"Proxy", "VIP"}, at.at(i).at("ipMode"), true, errors);
    if (!host.empty()) {
      add_invalid(at.at(i).at("hostname"), host, check_dns1123_subdomain(host), errors);
      if (parse_ip_sloppily(host))
        errors.invalid(at.at(i).at("hostname"), host, "must be a DNS name, not an IP address");
    }
  }
}

void warnings(Value o, std::vector<std::string>& out) {
  const Value spec = o["spec"];
  const Path at("spec");
  auto addresses = [&](const char* list) {
    for (size_t i = 0; i < spec[list].size(); ++i) address_warnings(spec[list].item(i).str(), at.at(list).at(i), out);
  };
  if (o["metadata"]["annotations"].has("service.kubernetes.io/topology-aware-hints"))
    out.push_back(
        "annotation service.kubernetes.io/topology-aware-hints is deprecated, please use service.kubernetes.io/topology-mode instead");
  const std::string_view type = spec["type"].str();
  const bool external = spec["externalIPs"].size() > 0, headless = type == "ClusterIP" && spec["clusterIP"].str() == "None";
  addresses("clusterIPs");
  if (headless) {
    if (!spec["loadBalancerIP"].str().empty()) out.push_back("spec.loadBalancerIP is ignored for headless services");
    if (external) out.push_back("spec.externalIPs is ignored for headless services");
    if (spec["sessionAffinity"].str() != "None") out.push_back("spec.SessionAffinity is ignored for headless services");
  }
  addresses("externalIPs");
  if (external && !headless && type != "ExternalName")
    out.push_back("spec.externalIPs is deprecated and may no longer be implemented in some clusters");
  address_warnings(spec["loadBalancerIP"].str(), at.at("loadBalancerIP"), out);
  for (size_t i = 0; i < spec["loadBalancerSourceRanges"].size(); ++i)
    range_warnings(spec["loadBalancerSourceRanges"].item(i).str(), at.at("loadBalancerSourceRanges").at(i), out);
  if (type == "ExternalName" && external) out.push_back("spec.externalIPs is ignored when spec.type is \"ExternalName\"");
  if (type != "ExternalName" && !spec["externalName"].str().empty())
    out.push_back("spec.externalName is ignored when spec.type is not \"ExternalName\"");
  if (spec["trafficDistribution"].str() == "PreferClose")
    out.push_back("spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"");
}

std::string joined(Value list) {
  std::vector<std::string> out;
  for (Value v : list.items()) out.push_back(v.text());
  return join(out, ",");
}

std::string external_ip_text(Value o) {
  const std::string_view type = o["spec"]["type"].str();
  const std::string own = joined(o["spec"]["externalIPs"]);
  if (type == "ExternalName") return o["spec"]["externalName"].text();
  if (type != "LoadBalancer") return own.empty() ? "<none>" : own;
  std::vector<std::string> given;
  for (Value i : o["status"]["loadBalancer"]["ingress"].items())
    given.push_back(i["ip"].str().empty() ? i["hostname"].text() : i["ip"].text());
  if (!own.empty()) given.push_back(own);
  return given.empty() ? "<pending>" : join(given, ",");
}

std::string ports_text(Value ports) {
  if (ports.size() == 0) return "<none>";
  std::vector<std::string> out;
  for (Value p : ports.items()) {
    const int64_t node_port = p["nodePort"].integer();
    out.push_back(node_port > 0 ? cat(p["port"].integer(), ":", node_port, "/", p["protocol"].str())
                                : cat(p["port"].integer(), "/", p["protocol"].str()));
  }
  return join(out, ",");
}

}  // namespace

void service_rules(Kind& k) {
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.set_defaults = set_defaults;
  k.prepare_create = prepare_create;
  k.prepare_update = prepare_update;
  k.prepare_status_update = prepare_status_update;
  k.validate = validate;
  k.validate_update = validate_update;
  k.validate_status_update = validate_status_update;
  k.validate_name = name_is_label;
  k.allocates = true;
  k.warnings = warnings;
  k.columns = {
      name_column(),
      {"Type", kText, [](Value o) { return o["spec"]["type"].str(); }},
      {"Cluster-IP", kText, [](Value o) {
         const std::string_view ip = o["spec"]["clusterIP"].str();
         return ip.empty() ? std::string_view("<none>") : ip;
       }},
      {"External-IP", kText, [](Value o) { return external_ip_text(o); }},
      {"Port(s)", kText, [](Value o) { return ports_text(o["spec"]["ports"]); }},
      age_column(),
      {"Selector", kWide, [](Value o) { return map_text(o["spec"]["selector"]); }},
  };
  k.selectable = {{"spec.clusterIP", [](Value o) { return o["spec"]["clusterIP"].text(); }},
                  {"spec.type", [](Value o) { return o["spec"]["type"].text(); }}};
}

}  // namespace bramble

// Service: a name and an address for pods. What it needs from the allocators is in service_allocation.cc.
#include <set>

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

constexpr int64_t kKubeletPort = 10250;
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
    const std::string_view name = p["name"].str(), protocol = p["appProtocol"].str();
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
    if (!protocol.empty()) add_invalid(here.at("appProtocol"), protocol, check_qualified_name(protocol), errors);
  }
}

void validate_type(Value spec, FieldErrors& errors) {
  const Path at("spec");
  const std::string_view type = spec["type"].str();
  if (type == "LoadBalancer")
    for (size_t i = 0; i < spec["ports"].size(); ++i)
      if (spec["ports"].item(i)["port"].integer() == kKubeletPort)
        errors.invalid(at.at("ports").at(i), kKubeletPort,
                       "may not expose port 10250 externally since it is used by kubelet");
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

void validate_cluster_ips(Value spec, FieldErrors& errors) {
  if (spec["type"].str() == "ExternalName") return;
  const Path at = Path("spec").at("clusterIPs");
  const Value ips = spec["clusterIPs"];
  const std::string_view first = spec["clusterIP"].str();
  if (ips.size() > 0 && ips.item(0).str() != first) errors.invalid(at, ips, "first value must match `clusterIP`");
  if (is_headless(spec) && ips.size() > 1) errors.invalid(at, ips, "'None' must be the first and only value");
  if (!is_headless(spec))
    for (size_t i = 0; i < ips.size(); ++i) validate_ip(ips.item(i).str(), at.at(i), errors);
  const std::string_view policy = spec["ipFamilyPolicy"].str();
  const Path policy_at = Path("spec").at("ipFamilyPolicy");
  validate_one_of(policy, {"PreferDualStack", "RequireDualStack", "SingleStack"}, policy_at, false, errors);
  if (policy == "RequireDualStack")
    errors.invalid(policy_at, policy, "this cluster is not configured for dual-stack services");
  for (size_t i = 0; i < spec["ipFamilies"].size(); ++i)
    validate_one_of(spec["ipFamilies"].item(i).str(), {"IPv4", "IPv6"}, Path("spec").at("ipFamilies").at(i), false,
                    errors);
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

void validate_traffic(Value spec, FieldErrors& errors) {
  const Path at("spec");
  const std::string_view type = spec["type"].str(), external = spec["externalTrafficPolicy"].str();
  const Value ranges = spec["loadBalancerSourceRanges"];
  if (ranges.size() > 0) {
    const Path here = at.at("loadBalancerSourceRanges");
    if (type != "LoadBalancer") errors.forbidden(here, "may only be used when `type` is 'LoadBalancer'");
    for (size_t i = 0; i < ranges.size(); ++i) validate_cidr(trim(ranges.item(i).str()), here.at(i), errors);
  }
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
  if (type != "ExternalName")
    validate_one_of(spec["internalTrafficPolicy"].str(), {"Cluster", "Local"}, at.at("internalTrafficPolicy"), false,
                    errors);
  validate_one_of(spec["trafficDistribution"].str(), {"PreferClose", "PreferSameNode", "PreferSameZone"},
                  at.at("trafficDistribution"), false, errors);
}

void validate(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  const std::string_view type = spec["type"].str();
  if (spec["ports"].size() == 0 && !is_headless(spec) && type != "ExternalName") errors.required(at.at("ports"));
  validate_type(spec, errors);
  validate_ports(spec, errors);
  validate_labels(spec["selector"], at.at("selector"), errors);
  validate_affinity_fields(spec, errors);
  validate_cluster_ips(spec, errors);
  for (size_t i = 0; i < spec["externalIPs"].size(); ++i)
    validate_non_special_ip(spec["externalIPs"].item(i).str(), at.at("externalIPs").at(i), errors);
  validate_one_of(type, {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"}, at.at("type"), true, errors);
  validate_duplicates(spec, errors);
  validate_traffic(spec, errors);
}

void validate_update(Value o, Value old, FieldErrors& errors) {
  const Value spec = o["spec"], was = old["spec"];
  const bool external_name = spec["type"].str() == "ExternalName" || was["type"].str() == "ExternalName";
  const Value ips = spec["clusterIPs"], before = was["clusterIPs"];
  if (!external_name && before.size() > 0) {
    const Path at = Path("spec").at("clusterIPs");
    if (ips.size() == 0)
      errors.invalid(at, ips, "primary clusterIP can not be unset");
    else if (ips.item(0).str() != before.item(0).str())
      errors.invalid(at.at(size_t{0}), ips, "may not change once set");
    if (spec["ipFamilies"].size() > 0 && was["ipFamilies"].size() > 0 &&
        spec["ipFamilies"].item(0).str() != was["ipFamilies"].item(0).str())
      errors.invalid(Path("spec").at("ipFamilies").at(size_t{0}), spec["ipFamilies"].item(0),
                     "may not change once set");
  }
  if (spec["type"].str() == "LoadBalancer" && was["type"].str() == "LoadBalancer" &&
      spec["loadBalancerClass"].str() != was["loadBalancerClass"].str())
    errors.invalid(Path("spec").at("loadBalancerClass"), spec["loadBalancerClass"], "may not change once set");
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
  if (spec["externalIPs"].size() > 0)
    out.push_back("spec.externalIPs is deprecated and may no longer be implemented in some clusters");
  if (is_headless(spec)) {
    if (!spec["loadBalancerIP"].str().empty()) out.push_back("spec.loadBalancerIP is ignored for headless services");
    if (spec["externalIPs"].size() > 0) out.push_back("spec.externalIPs is ignored when spec.clusterIP is \"None\"");
    if (spec["sessionAffinity"].str() == "ClientIP")
      out.push_back("spec.SessionAffinity is ignored for headless services");
  }
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

void cells(Value o, int64_t now_us, Mut out) {
  const Value spec = o["spec"];
  const std::string_view ip = spec["clusterIP"].str();
  out.append(first_name(o));
  out.append(spec["type"].str());
  out.append(ip.empty() ? std::string_view("<none>") : ip);
  out.append(external_ip_text(o));
  out.append(ports_text(spec["ports"]));
  append_age(o, now_us, out);
  out.append(map_text(spec["selector"]));
}

}  // namespace

void service_rules(Kind& k) {
  k.set_defaults = set_defaults;
  k.prepare_create = prepare_create;
  k.prepare_update = prepare_update;
  k.prepare_status_update = prepare_status_update;
  k.validate = validate;
  k.validate_update = validate_update;
  k.validate_status_update = validate_status_update;
  k.validate_name = name_is_label;
  k.warnings = warnings;
  k.columns = columns_of("Name:name, Type, Cluster-IP, External-IP, Port(s), Age, Selector:wide");
  k.cells = cells;
  k.selectable = {{"spec.clusterIP", [](Value o) { return o["spec"]["clusterIP"].text(); }},
                  {"spec.type", [](Value o) { return o["spec"]["type"].text(); }}};
}

}  // namespace bramble

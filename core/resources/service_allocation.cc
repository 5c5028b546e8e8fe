#include "core/resources/service_allocation.h"

#include <set>

namespace bramble {
namespace {

// The same questions for Value and Mut.
template <class Node>
bool needs_cluster_ip(Node spec) {
  const std::string_view type = spec["type"].str("ClusterIP");
  return type == "ClusterIP" || type == "NodePort" || type == "LoadBalancer";
}
template <class Node>
bool needs_node_ports(Node spec) {
  const std::string_view type = spec["type"].str();
  return type == "NodePort" || (type == "LoadBalancer" && spec["allocateLoadBalancerNodePorts"].boolean(true));
}
template <class Node>
bool needs_health_port(Node spec) {
  return spec["type"].str() == "LoadBalancer" && spec["externalTrafficPolicy"].str() == "Local";
}
template <class Node>
bool is_external(Node spec) {
  const std::string_view type = spec["type"].str();
  return type == "LoadBalancer" || type == "NodePort" || (type == "ClusterIP" && spec["externalIPs"].size() > 0);
}

bool same_node_ports(Mut now, Value was) {
  std::set<int64_t> a, b;
  for (Mut p : now["ports"].items()) a.insert(p["nodePort"].integer());
  for (Value p : was["ports"].items()) b.insert(p["nodePort"].integer());
  a.erase(0);
  b.erase(0);
  return a == b;
}

// A client may write either field; both are kept alike.
void agree_cluster_ips(Mut spec, Value was) {
  const std::string ip = spec["clusterIP"].text(), first = spec["clusterIPs"].item(0).text();
  auto set_list = [&](const std::string& one) {
    Mut list = spec.array("clusterIPs");
    list.clear();
    list.append(one);
  };
  if (!was.exists()) {
    if (!ip.empty() && spec["clusterIPs"].size() == 0)
      set_list(ip);
    else if (ip.empty() && !first.empty())
      spec.set("clusterIP", first);
    return;
  }
  const std::string_view old_ip = was["clusterIP"].str(), old_first = was["clusterIPs"].item(0).str();
  if (ip.empty() && !old_ip.empty()) {  // clusterIP cleared
    if (first == old_first)
      spec.remove("clusterIPs");
    else if (!first.empty())
      spec.set("clusterIP", first);
  } else if (ip != old_ip && (first == old_first || first.empty())) {  // only clusterIP changed
    set_list(ip);
  } else if (ip == old_ip && first != old_first && !first.empty()) {  // only clusterIPs changed
    spec.set("clusterIP", first);
  }
}

// An update that leaves an allocated value out keeps it.
void carry_allocated(Mut spec, Value was) {
  if (needs_cluster_ip(was) && needs_cluster_ip(spec)) {
    if (spec["clusterIPs"].size() == 0 &&
        (spec["clusterIP"].str().empty() || spec["clusterIP"].str() == was["clusterIP"].str())) {
      spec.set("clusterIP", was["clusterIP"]);
      spec.set("clusterIPs", was["clusterIPs"]);
    }
    if (spec["ipFamilies"].size() == 0) spec.set("ipFamilies", was["ipFamilies"]);
    if (spec["ipFamilyPolicy"].str().empty()) spec.set("ipFamilyPolicy", was["ipFamilyPolicy"]);
  }
  if (needs_node_ports(was) && needs_node_ports(spec)) {
    std::set<int64_t> used;
    for (Mut p : spec["ports"].items()) used.insert(p["nodePort"].integer());
    for (Mut p : spec["ports"].items()) {
      if (p["nodePort"].integer() != 0) continue;
      for (Value o : was["ports"].items()) {
        const int64_t port = o["nodePort"].integer();
        if (o["name"].str() != p["name"].str() || port == 0 || used.count(port)) continue;
        p.set("nodePort", port);
        used.insert(port);
        break;
      }
    }
  }
  if (needs_health_port(was) && needs_health_port(spec) && spec["healthCheckNodePort"].integer() == 0 &&
      was["healthCheckNodePort"].integer() != 0)
    spec.set("healthCheckNodePort", was["healthCheckNodePort"].integer());
}

// What the old type had and the new one does not is dropped, unless the client changed it too (then validation speaks).
void drop_by_type(Mut spec, Value was) {
  auto drop_same = [&](const char* field) {
    Builder b;
    b.root().set("now", spec[field]);
    const Document d = b.finish();
    if (equal(d["now"], was[field])) spec.remove(field);
  };
  if (needs_cluster_ip(was) && !needs_cluster_ip(spec))
    for (const char* field : {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}) drop_same(field);
  if (needs_node_ports(was) && !needs_node_ports(spec) && same_node_ports(spec, was))
    for (Mut p : spec["ports"].items()) p.remove("nodePort");
  if (needs_health_port(was) && !needs_health_port(spec)) drop_same("healthCheckNodePort");
  if (was["type"].str() == "LoadBalancer" && spec["type"].str() != "LoadBalancer")
    for (const char* field : {"allocateLoadBalancerNodePorts", "loadBalancerClass"}) drop_same(field);
  if (is_external(was) && !is_external(spec)) drop_same("externalTrafficPolicy");
}

std::string key_of(const AllocationNeed& n) {
  return n.what == AllocationNeed::What::kClusterIp ? n.address
                                                    : cat(static_cast<int>(n.what), "/", n.protocol, "/", n.port);
}

std::vector<AllocationNeed> held(Value service) {
  std::vector<AllocationNeed> out;
  const Value spec = service["spec"];
  if (!spec.is_object()) return out;
  if (service_needs_cluster_ip(service))
    for (Value ip : spec["clusterIPs"].items())
      if (!ip.str().empty()) out.push_back({AllocationNeed::What::kClusterIp, ip.text(), 0, "", 0});
  if (needs_node_ports(spec) || spec["type"].str() == "LoadBalancer")
    for (size_t i = 0; i < spec["ports"].size(); ++i) {
      const Value p = spec["ports"].item(i);
      if (p["nodePort"].integer() != 0)
        out.push_back({AllocationNeed::What::kNodePort, "", static_cast<int>(p["nodePort"].integer()),
                       p["protocol"].text("TCP"), i});
    }
  if (needs_health_port(spec) && spec["healthCheckNodePort"].integer() != 0)
    out.push_back({AllocationNeed::What::kHealthCheckNodePort, "",
                   static_cast<int>(spec["healthCheckNodePort"].integer()), "TCP", 0});
  return out;
}

}  // namespace

bool service_needs_cluster_ip(Value service) {
  return needs_cluster_ip(service["spec"]) && service["spec"]["clusterIP"].str() != "None" &&
         service["spec"]["clusterIPs"].item(0).str() != "None";
}
bool service_needs_node_ports(Value service) { return needs_node_ports(service["spec"]); }

std::vector<AllocationNeed> allocation_needs(Value service, Value old) {
  std::vector<AllocationNeed> out;
  const Value spec = service["spec"];
  std::set<std::string> have;
  for (const AllocationNeed& n : held(old)) have.insert(key_of(n));
  for (const AllocationNeed& n : held(service))
    if (!have.count(key_of(n))) out.push_back(n);
  if (service_needs_cluster_ip(service) && spec["clusterIP"].str().empty())
    out.push_back({AllocationNeed::What::kClusterIp, "", 0, "", 0});
  if (needs_node_ports(spec))
    for (size_t i = 0; i < spec["ports"].size(); ++i)
      if (spec["ports"].item(i)["nodePort"].integer() == 0)
        out.push_back({AllocationNeed::What::kNodePort, "", 0, spec["ports"].item(i)["protocol"].text("TCP"), i});
  if (needs_health_port(spec) && spec["healthCheckNodePort"].integer() == 0)
    out.push_back({AllocationNeed::What::kHealthCheckNodePort, "", 0, "TCP", 0});
  return out;
}

std::vector<AllocationNeed> allocation_releases(Value service, Value old) {
  std::vector<AllocationNeed> out;
  std::set<std::string> keep;
  for (const AllocationNeed& n : held(service)) keep.insert(key_of(n));
  for (const AllocationNeed& n : held(old))
    if (!keep.count(key_of(n))) out.push_back(n);
  return out;
}

void apply_allocation(Mut service, const AllocationNeed& need, std::string_view address, int port) {
  Mut spec = service.object("spec");
  switch (need.what) {
    case AllocationNeed::What::kClusterIp: {
      spec.set("clusterIP", address);
      Mut list = spec.array("clusterIPs");
      if (list.size() == 0) list.append(address);
      break;
    }
    case AllocationNeed::What::kNodePort:
      spec["ports"].item(need.index).set("nodePort", port);
      break;
    case AllocationNeed::What::kHealthCheckNodePort:
      spec.set("healthCheckNodePort", port);
      break;
  }
}

void normalize_service(Mut service, Value old, std::string_view cluster_family) {
  Mut spec = service.object("spec");
  const Value was = old["spec"];
  if (was.exists()) carry_allocated(spec, was);
  agree_cluster_ips(spec, was);
  if (was.exists()) drop_by_type(spec, was);
  if (!needs_cluster_ip(spec)) return;
  if (spec["ipFamilies"].size() == 0) {
    const std::string ip = spec["clusterIPs"].item(0).text();
    const bool v6 = ip.find(':') != std::string::npos;
    spec.array("ipFamilies").append(ip.empty() || ip == "None" ? cluster_family : v6 ? "IPv6" : "IPv4");
  }
  if (spec["ipFamilyPolicy"].str().empty()) spec.set("ipFamilyPolicy", "SingleStack");
}

}  // namespace bramble

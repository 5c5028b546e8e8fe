// Service load balancer: LoadBalancer Services without a class get addresses of nodes, where the proxy takes their ports; no pods
// are run for that. A (node, protocol, port) belongs to one Service, the oldest first; a Service gets the nodes on which all of its
// ports are free, and stays pending with an Event where there is none. Ports of the node's own services are refused, and those on
// which a process of the host listens (the node tells of them by an annotation), unless the Service is annotated.
// Watches: services, nodes, endpointslices (of externalTrafficPolicy Local), pods (with host ports). Writes: services/status of those
// Services, Events on them. Never: Services with a class. As k3s's servicelb, whose labels are understood too.
#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"
#include "core/controllers/owner_refs.h"
#include "core/resources/conditions.h"
#include "core/resources/pod_view.h"

namespace bramble {

namespace {

using resource_ids::kEndpointSlices;
using resource_ids::kNodes;
using resource_ids::kPods;
using resource_ids::kServices;

const ObjectKey kAll{"", "load balancers"};

constexpr const char* kServiceNameLabel = "kubernetes.io/service-name";
constexpr const char* kExcludeLabel = "node.kubernetes.io/exclude-from-external-load-balancers";
constexpr const char* kDomains[] = {"svccontroller.bramble.cattle.io/", "svccontroller.k3s.cattle.io/"};

// A label or annotation of servicelb, under our name or k3s's.
std::string_view setting(Value map, std::string_view name) {
  for (const char* domain : kDomains)
    if (Value v = map[cat(domain, name)]; v.exists()) return v.str();
  return {};
}

bool is_balanced(Value service) {
  return service["spec"]["type"].str() == "LoadBalancer" && service["spec"]["loadBalancerClass"].str().empty();
}

bool has_host_ports(Value pod) {
  for (const char* list : {"containers", "initContainers"})
    for (Value c : pod["spec"][list].items())
      for (Value p : c["ports"].items())
        if (p["hostPort"].integer() != 0) return true;
  return false;
}

void keys(const Snapshot& snapshot, const Change& change, const KeySink& sink) {
  const Document& object = change.after ? change.after : change.before;
  if (change.resource == kServices) {
    if (is_balanced(change.before.root()) || is_balanced(change.after.root())) sink(kAll);
  } else if (change.resource == kEndpointSlices) {
    Document service = snapshot.get(kServices, namespace_of(object), object["metadata"]["labels"][kServiceNameLabel].str());
    if (service && is_balanced(service.root()) && service["spec"]["externalTrafficPolicy"].str() == "Local") sink(kAll);
  } else if (change.resource == kPods) {
    bool moved = !change.before || !change.after || change.before["spec"]["nodeName"].str() != change.after["spec"]["nodeName"].str() ||
                 PodView(change.before).is_terminal() != PodView(change.after).is_terminal();
    if (moved && has_host_ports(object.root())) sink(kAll);
  } else {
    bool same = change.before && change.after && condition_status(change.before.root(), "Ready") == condition_status(change.after.root(), "Ready") &&
                equal(change.before["metadata"]["labels"], change.after["metadata"]["labels"]) &&
                equal(change.before["metadata"]["annotations"], change.after["metadata"]["annotations"]) &&
                equal(change.before["status"]["addresses"], change.after["status"]["addresses"]);
    if (!same) sink(kAll);
  }
}

// "TCP/80" -> who has it, for messages.
using Ports = std::map<std::string, std::string>;

struct Host {
  Document node;
  Ports taken;       // by Services before, by pods
  Ports its_own;     // by the node: refused unless the Service is annotated
};

std::vector<std::string> addresses_of(const Document& node, const char* type, Value families) {
  std::vector<std::string> out;
  for (Value a : node["status"]["addresses"].items()) {
    if (a["type"].str() != type) continue;
    std::string_view family = a["address"].str().find(':') == std::string_view::npos ? "IPv4" : "IPv6";
    bool wanted = families.size() == 0;
    for (Value f : families.items()) wanted = wanted || f.str() == family;
    if (wanted) out.push_back(a["address"].text());
  }
  return out;
}

// Nodes that may serve at all. Where any has the label enablelb, those alone that have it.
std::vector<Host> hosts_of(const Snapshot& snapshot, int64_t api_port) {
  std::vector<Host> out;
  bool by_label = false;
  snapshot.each(kNodes, "", [&](const Document& node) {
    Value labels = node["metadata"]["labels"];
    by_label = by_label || !setting(labels, "enablelb").empty();
    if (condition_is_true(node.root(), "Ready") && !labels[kExcludeLabel].exists()) out.push_back({node, {}, {}});
    return true;
  });
  if (by_label) std::erase_if(out, [](const Host& h) { return setting(h.node["metadata"]["labels"], "enablelb") != "true"; });
  for (Host& h : out) {
    for (const char* port : {"TCP/22", "TCP/53", "UDP/53", "TCP/6444", "UDP/8472", "TCP/10250", "TCP/10256"}) h.its_own[port] = "the node";
    h.its_own[cat("TCP/", api_port)] = "the API server";
    for (std::string_view port : split(setting(h.node["metadata"]["annotations"], "taken-ports"), ' '))
      if (!port.empty()) h.its_own[std::string(port)] = "a process of the host";
  }
  std::map<std::string, Host*> by_name;
  for (Host& h : out) by_name[std::string(name_of(h.node))] = &h;
  snapshot.each(kPods, "", [&](const Document& pod) {
    auto host = by_name.find(pod["spec"]["nodeName"].text());
    if (host == by_name.end() || PodView(pod).is_terminal() || !has_host_ports(pod.root())) return true;
    for (const char* list : {"containers", "initContainers"})
      for (Value c : pod["spec"][list].items())
        for (Value p : c["ports"].items())
          if (p["hostPort"].integer() != 0) host->second->taken[cat(p["protocol"].str("TCP"), "/", p["hostPort"].integer())] = cat("pod ", key_of(pod).text());
    return true;
  });
  return out;
}

std::vector<Document> balanced_services(const Snapshot& snapshot) {
  std::vector<Document> out;
  snapshot.each(kServices, "", [&](const Document& d) {
    if (is_balanced(d.root()) && !being_deleted(d.root())) out.push_back(d);
    return true;
  });
  std::stable_sort(out.begin(), out.end(), [](const Document& a, const Document& b) { return meta(a.root(), "creationTimestamp") < meta(b.root(), "creationTimestamp"); });
  return out;
}

// Nodes with ready endpoints of the Service.
std::set<std::string> nodes_with_endpoints(const Snapshot& snapshot, const Document& service) {
  std::set<std::string> out;
  snapshot.each(kEndpointSlices, namespace_of(service), [&](const Document& slice) {
    if (slice["metadata"]["labels"][kServiceNameLabel].str() != name_of(service)) return true;
    for (Value e : slice["endpoints"].items())
      if (e["conditions"]["ready"].boolean(true)) out.insert(e["nodeName"].text());
    return true;
  });
  return out;
}

// The Service's addresses; takes its ports on their nodes. Why it gets none, for the Event.
std::vector<std::string> place(const Snapshot& snapshot, const Document& service, std::vector<Host>& hosts, std::string* why) {
  std::vector<std::string> external, internal;
  const bool local = service["spec"]["externalTrafficPolicy"].str() == "Local";
  const std::set<std::string> serving = local ? nodes_with_endpoints(snapshot, service) : std::set<std::string>();
  const std::string_view pool = setting(service["metadata"]["labels"], "lbpool");
  const bool insists = setting(service["metadata"]["annotations"], "take-ports") == "true";
  if (hosts.empty()) *why = "no node is ready that may serve it";
  for (Host& h : hosts) {
    if (!pool.empty() && setting(h.node["metadata"]["labels"], "lbpool") != pool) continue;
    std::vector<std::string> ports;
    const std::string* owner = nullptr;
    for (Value p : service["spec"]["ports"].items()) {
      ports.push_back(cat(p["protocol"].str("TCP"), "/", p["port"].integer()));
      for (const Ports* taken : {&h.taken, insists ? nullptr : &h.its_own}) {
        auto it = taken ? taken->find(ports.back()) : h.taken.end();
        if (!taken || it == taken->end() || owner) continue;
        owner = &it->second;
        *why = cat("port ", ports.back(), " of node ", name_of(h.node), " belongs to ", it->second);
      }
    }
    if (owner) continue;
    for (const std::string& p : ports) h.taken[p] = cat("service ", key_of(service).text());
    if (local && !serving.contains(std::string(name_of(h.node)))) continue;  // its port, but nobody there to answer
    Value families = service["spec"]["ipFamilies"];
    for (std::string& a : addresses_of(h.node, "ExternalIP", families)) external.push_back(std::move(a));
    for (std::string& a : addresses_of(h.node, "InternalIP", families)) internal.push_back(std::move(a));
  }
  std::vector<std::string>& out = external.empty() ? internal : external;
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  if (out.empty() && why->empty()) *why = local ? "no node has a ready endpoint of it" : "no node of its pool is ready";
  return std::move(out);
}

Document status_patch(const std::vector<std::string>& addresses) {
  Builder b;
  Mut balancer = b.root().object("status").object("loadBalancer");
  if (addresses.empty()) {
    balancer.set_null("ingress");
    return b.finish();
  }
  Mut ingress = balancer.array("ingress");
  for (const std::string& a : addresses) {
    Mut entry = ingress.append_object();
    entry.set("ip", a);
    entry.set("ipMode", "VIP");
  }
  return b.finish();
}

std::vector<std::string> present_addresses(const Document& service) {
  std::vector<std::string> out;
  for (Value v : service["status"]["loadBalancer"]["ingress"].items()) out.push_back(v["ip"].text());
  return out;
}

// What each Service was last told, by its uid: an Event for each news, not for each look.
using Told = std::map<std::string, std::string>;

Plan reconcile(Told& told, const Snapshot& snapshot, int64_t api_port) {
  Plan plan;
  Told now;
  std::vector<Host> hosts = hosts_of(snapshot, api_port);
  for (const Document& service : balanced_services(snapshot)) {
    std::string why;
    std::vector<std::string> addresses = place(snapshot, service, hosts, &why);
    std::string uid(uid_of(service));
    if (addresses.empty()) {
      now[uid] = why;
      if (told[uid] != why) plan.events.push_back({service, "Warning", "LoadBalancerPending", cat("No address for the load balancer: ", why), {}, {}});
    }
    if (addresses == present_addresses(service)) continue;
    Write w = patch_write(kServices, key_of(service), PatchType::kMerge, status_patch(addresses), "status");
    w.with_previous = !plan.writes.empty();
    if (!addresses.empty()) {
      w.on_success = EventNote{service, "Normal", "UpdatedIngressIP", cat("LoadBalancer Ingress IP addresses updated: ", join(addresses, ", ")), {}, {}};
    }
    plan.writes.push_back(std::move(w));
  }
  told = std::move(now);
  return plan;
}

}  // namespace

Controller service_lb_controller(uint16_t api_port) {
  auto told = std::make_shared<Told>();
  auto step = [told, api_port](const Snapshot& snapshot, const ObjectKey&, const Moment&) { return reconcile(*told, snapshot, api_port); };
  return {"service-lb-controller", "service-controller", "service-lb-controller", {kServices, kNodes, kEndpointSlices, kPods}, {kAll}, keys, step, {}};
}

}  // namespace bramble

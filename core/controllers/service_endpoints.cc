#include "core/controllers/service_endpoints.h"

#include <algorithm>

#include "core/base/clock.h"
#include "core/controllers/object_writes.h"
#include "core/resources/pod_view.h"
#include "core/resources/selector.h"

namespace bramble {

namespace {

using resource_ids::kPods;
using resource_ids::kServices;

std::string ip_of_family(PodView pod, bool ipv6) {
  for (Value entry : pod.status()["podIPs"].items()) {
    std::string_view ip = entry["ip"].str();
    if (!ip.empty() && (ip.find(':') != std::string_view::npos) == ipv6) return std::string(ip);
  }
  std::string_view ip = pod.pod_ip();
  bool fits = !ip.empty() && (ip.find(':') != std::string_view::npos) == ipv6;
  return fits ? std::string(ip) : std::string();
}

// A named port is looked for in the containers, then in the sidecars.
std::optional<int64_t> named_port(PodView pod, std::string_view name, std::string_view protocol) {
  auto look = [&](Value container) -> std::optional<int64_t> {
    for (Value p : container["ports"].items()) {
      if (p["name"].str() == name && p["protocol"].str("TCP") == protocol) return p["containerPort"].integer();
    }
    return std::nullopt;
  };
  for (Value c : pod.containers().items()) {
    if (std::optional<int64_t> port = look(c)) return port;
  }
  for (Value c : pod.init_containers().items()) {
    if (!PodView::is_sidecar(c)) continue;
    if (std::optional<int64_t> port = look(c)) return port;
  }
  return std::nullopt;
}

std::vector<BackendPort> ports_for(Value service, PodView pod) {
  std::vector<BackendPort> out;
  for (Value sp : service["spec"]["ports"].items()) {
    std::string_view protocol = sp["protocol"].str("TCP");
    Value target = sp["targetPort"];
    std::optional<int64_t> port;
    if (target.is_string()) port = named_port(pod, target.str(), protocol);
    else port = target.exists() && target.integer() != 0 ? target.integer() : sp["port"].integer();
    if (!port) continue;
    out.push_back({sp["name"].text(), std::string(protocol), sp["appProtocol"].text(), *port});
  }
  return out;
}

bool matches(Value service, Value pod_labels) {
  return selects_pods(service) && LabelSelector::from_map(service["spec"]["selector"]).matches(pod_labels);
}

// What of a pod its services publish.
bool published_facts_equal(const Document& a, const Document& b) {
  PodView x(a), y(b);
  return equal(x.labels(), y.labels()) && x.is_ready() == y.is_ready() && x.is_deleting() == y.is_deleting() &&
         x.is_terminal() == y.is_terminal() && x.pod_ip() == y.pod_ip() && x.node_name() == y.node_name() &&
         equal(x.status()["podIPs"], y.status()["podIPs"]) && x.spec()["hostname"].str() == y.spec()["hostname"].str();
}

}  // namespace

bool is_headless(Value service) { return service["spec"]["clusterIP"].str() == "None"; }

bool selects_pods(Value service) {
  return service["spec"]["selector"].size() > 0 && service["spec"]["type"].str() != "ExternalName";
}

std::vector<Backend> backends_of(const Snapshot& snapshot, Value service, std::string_view family) {
  std::vector<Backend> out;
  if (!selects_pods(service)) return out;
  LabelSelector selector = LabelSelector::from_map(service["spec"]["selector"]);
  bool publish_all = service["spec"]["publishNotReadyAddresses"].boolean();
  std::string_view ns = meta(service, "namespace");
  snapshot.each(kPods, ns, [&](const Document& doc) {
    PodView pod(doc);
    if (pod.is_terminal() || !selector.matches(pod.labels())) return true;
    Backend b;
    b.ip = ip_of_family(pod, family == "IPv6");
    if (b.ip.empty()) return true;
    b.pod = doc;
    b.ports = ports_for(service, pod);
    b.serving = pod.is_ready();
    b.terminating = pod.is_deleting();
    b.ready = publish_all || (b.serving && !b.terminating);
    bool has_name = pod.spec()["subdomain"].str() == meta(service, "name");
    if (has_name) b.hostname = pod.spec()["hostname"].text();
    out.push_back(std::move(b));
    return true;
  });
  return out;
}

void service_keys(const Snapshot& snapshot, const Change& change, const std::function<void(const ObjectKey&)>& sink) {
  const Document& object = change.after ? change.after : change.before;
  if (change.resource == kServices) {
    sink(key_of(object));
    return;
  }
  if (change.before && change.after && published_facts_equal(change.before, change.after)) return;
  Value before_labels = change.before["metadata"]["labels"], after_labels = change.after["metadata"]["labels"];
  snapshot.each(kServices, namespace_of(object), [&](const Document& service) {
    bool concerns = (change.before && matches(service.root(), before_labels)) ||
                    (change.after && matches(service.root(), after_labels));
    if (concerns) sink(key_of(service));
    return true;
  });
}

std::string change_trigger_time(Value service, const std::vector<Backend>& backends, std::string_view published) {
  int64_t published_us = parse_rfc3339(published).value_or(-1);
  std::optional<int64_t> first;
  auto consider = [&](Value text) {
    std::optional<int64_t> at = parse_rfc3339(text.str());
    if (at && *at > published_us) first = std::min(first.value_or(*at), *at);
  };
  consider(service["metadata"]["creationTimestamp"]);
  for (const Backend& b : backends) consider(PodView(b.pod).condition("Ready")["lastTransitionTime"]);
  return first ? format_rfc3339(*first) : std::string(published);
}

}  // namespace bramble

#include "core/resources/pod_view.h"

#include "core/base/clock.h"
#include "core/base/strings.h"
#include "core/resources/conditions.h"

namespace bramble {

ResourceAmounts resource_amounts(Value list) {
  ResourceAmounts out;
  for (auto [name, text] : list.members()) {
    auto q = Quantity::parse(text.is_string() ? text.str() : text.dump());
    if (q.ok()) out[std::string(name)] = q.value();
  }
  return out;
}

void add_amounts(ResourceAmounts& to, const ResourceAmounts& more) {
  for (const auto& [name, q] : more) {
    auto at = to.find(name);
    if (at == to.end())
      to[name] = q;
    else
      at->second = at->second + q;
  }
}

void raise_amounts(ResourceAmounts& to, const ResourceAmounts& at_least) {
  for (const auto& [name, q] : at_least) {
    auto at = to.find(name);
    if (at == to.end())
      to[name] = q;
    else if (at->second < q)
      at->second = q;
  }
}

bool host_ports_conflict(const HostPort& a, const HostPort& b) {
  if (a.port != b.port || a.protocol != b.protocol) return false;
  auto wild = [](const std::string& ip) { return ip.empty() || ip == "0.0.0.0" || ip == "::"; };
  return wild(a.ip) || wild(b.ip) || a.ip == b.ip;
}

std::string_view qos_name(QosClass qos) {
  switch (qos) {
    case QosClass::kGuaranteed:
      return "Guaranteed";
    case QosClass::kBurstable:
      return "Burstable";
    case QosClass::kBestEffort:
      break;
  }
  return "BestEffort";
}

std::string PodView::key() const { return cat(ns(), "/", name()); }

bool PodView::is_terminal() const { return phase() == "Succeeded" || phase() == "Failed"; }

std::optional<int64_t> PodView::deletion_time_us() const {
  return parse_rfc3339(metadata()["deletionTimestamp"].str());
}

bool PodView::is_ready() const { return condition("Ready")["status"].str() == "True"; }

std::optional<int64_t> PodView::available_at_us(int64_t min_ready_seconds) const {
  if (!is_ready()) return std::nullopt;
  if (min_ready_seconds == 0) return 0;
  const auto since = parse_rfc3339(condition("Ready")["lastTransitionTime"].str());
  if (!since) return std::nullopt;
  return *since + min_ready_seconds * 1000000;
}

bool PodView::is_available(int64_t min_ready_seconds, int64_t now_us) const {
  const auto at_us = available_at_us(min_ready_seconds);
  return at_us && *at_us <= now_us;
}

Value PodView::condition(std::string_view type) const { return find_condition(status()["conditions"], type); }

bool PodView::is_static() const {
  const std::string_view source = annotations()["kubernetes.io/config.source"].str();
  return !source.empty() && source != "api";
}

Value PodView::container(std::string_view container_name) const {
  for (Value list : {containers(), init_containers(), ephemeral_containers()})
    for (Value c : list.items())
      if (c["name"].str() == container_name) return c;
  return {};
}

Value PodView::container_status(std::string_view container_name) const {
  for (const char* list : {"containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"})
    for (Value c : status()[list].items())
      if (c["name"].str() == container_name) return c;
  return {};
}

bool PodView::is_sidecar(Value init_container) { return init_container["restartPolicy"].str() == "Always"; }

namespace {

// One rule for requests and limits: `field` of resources.
ResourceAmounts pod_amounts(const PodView& pod, const char* field) {
  ResourceAmounts running, sidecars, starting;
  for (Value c : pod.containers().items()) add_amounts(running, resource_amounts(c["resources"][field]));
  for (Value c : pod.init_containers().items()) {
    ResourceAmounts own = resource_amounts(c["resources"][field]);
    if (PodView::is_sidecar(c)) {
      add_amounts(running, own);
      add_amounts(sidecars, own);
      own = sidecars;
    } else {
      add_amounts(own, sidecars);
    }
    raise_amounts(starting, own);
  }
  raise_amounts(running, starting);
  // Resources of the pod as a whole stand for the sums of cpu, memory and huge pages.
  for (const auto& [name, q] : resource_amounts(pod.spec()["resources"][field])) running[name] = q;
  return running;
}

}  // namespace

ResourceAmounts PodView::requests() const {
  ResourceAmounts sum = pod_amounts(*this, "requests");
  add_amounts(sum, resource_amounts(spec()["overhead"]));
  return sum;
}

ResourceAmounts PodView::limits() const {
  ResourceAmounts sum = pod_amounts(*this, "limits");
  for (const auto& [name, q] : resource_amounts(spec()["overhead"])) {
    auto at = sum.find(name);
    if (at != sum.end() && !at->second.is_zero()) at->second = at->second + q;
  }
  return sum;
}

QosClass PodView::qos() const {
  // With resources of the pod as a whole, they alone decide.
  if (spec()["resources"]["requests"].size() + spec()["resources"]["limits"].size() > 0) {
    const ResourceAmounts r = resource_amounts(spec()["resources"]["requests"]),
                          l = resource_amounts(spec()["resources"]["limits"]);
    auto same = [&](const char* name) {
      const auto a = r.find(name), b = l.find(name);
      return a != r.end() && b != l.end() && a->second == b->second && !b->second.is_zero();
    };
    return same("cpu") && same("memory") ? QosClass::kGuaranteed : QosClass::kBurstable;
  }
  bool any = false, guaranteed = true;
  ResourceAmounts requests_sum, limits_sum;
  auto look = [&](Value list) {
    for (Value c : list.items()) {
      for (const char* name : {"cpu", "memory"}) {
        const ResourceAmounts r = resource_amounts(c["resources"]["requests"]),
                              l = resource_amounts(c["resources"]["limits"]);
        const auto request = r.find(name), limit = l.find(name);
        if (request != r.end() && !request->second.is_zero()) {
          any = true;
          add_amounts(requests_sum, {{name, request->second}});
        }
        if (limit != l.end() && !limit->second.is_zero()) {
          any = true;
          add_amounts(limits_sum, {{name, limit->second}});
        } else {
          guaranteed = false;
        }
      }
    }
  };
  look(containers());
  look(init_containers());
  if (!any) return QosClass::kBestEffort;
  if (guaranteed && requests_sum.size() == limits_sum.size()) {
    bool same = true;
    for (const auto& [name, q] : requests_sum) same = same && limits_sum[name] == q;
    if (same) return QosClass::kGuaranteed;
  }
  return QosClass::kBurstable;
}

std::vector<HostPort> PodView::host_ports() const {
  std::vector<HostPort> out;
  auto look = [&](Value c) {
    for (Value p : c["ports"].items())
      if (p["hostPort"].integer() > 0)
        out.push_back({p["hostIP"].text(), p["protocol"].text("TCP"), static_cast<int>(p["hostPort"].integer())});
  };
  for (Value c : containers().items()) look(c);
  for (Value c : init_containers().items())
    if (is_sidecar(c)) look(c);
  return out;
}

std::vector<std::string_view> PodView::images() const {
  std::vector<std::string_view> out;
  for (Value list : {containers(), init_containers(), ephemeral_containers()})
    for (Value c : list.items()) out.push_back(c["image"].str());
  return out;
}

std::string_view image_tag(std::string_view image) {
  const size_t digest = image.find('@');
  const std::string_view name = image.substr(0, digest);
  const size_t slash = name.rfind('/');
  const size_t colon = name.rfind(':');
  const bool tagged = colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash);
  if (tagged) return name.substr(colon + 1);
  return digest == std::string_view::npos ? std::string_view("latest") : std::string_view();
}

}  // namespace bramble

// PodView: named accessors over a Pod document for the kubelet, the scheduler and the controllers. Borrows the Value:
// the Document must outlive it. Pure; any thread. Absent fields answer with what upstream's defaults mean.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json/value.h"
#include "core/schema/quantity.h"

namespace bramble {

// Amounts by resource name ("cpu", "memory", "ephemeral-storage", "hugepages-2Mi", "example.com/x").
using ResourceAmounts = std::map<std::string, Quantity, std::less<>>;
ResourceAmounts resource_amounts(Value list);  // unreadable quantities are left out
void add_amounts(ResourceAmounts& to, const ResourceAmounts& more);
void raise_amounts(ResourceAmounts& to, const ResourceAmounts& at_least);  // the greater of each

struct HostPort {
  std::string ip;        // "" or "0.0.0.0" is every address
  std::string protocol;  // "TCP"
  int port = 0;
  bool operator==(const HostPort&) const = default;
};
// Two pods cannot share a node when one's port conflicts with the other's: same protocol and port, and equal or wild
// address.
bool host_ports_conflict(const HostPort& a, const HostPort& b);

enum class QosClass { kGuaranteed, kBurstable, kBestEffort };
std::string_view qos_name(QosClass qos);  // "Guaranteed" ...

class PodView {
 public:
  explicit PodView(Value pod) : pod_(pod) {}
  explicit PodView(const Document& pod) : pod_(pod.root()) {}

  Value root() const { return pod_; }
  Value metadata() const { return pod_["metadata"]; }
  Value spec() const { return pod_["spec"]; }
  Value status() const { return pod_["status"]; }
  std::string_view name() const { return metadata()["name"].str(); }
  std::string_view ns() const { return metadata()["namespace"].str(); }
  std::string_view uid() const { return metadata()["uid"].str(); }
  std::string key() const;  // "namespace/name"
  Value labels() const { return metadata()["labels"]; }
  Value annotations() const { return metadata()["annotations"]; }

  std::string_view node_name() const { return spec()["nodeName"].str(); }
  bool is_assigned() const { return !node_name().empty(); }
  std::string_view scheduler_name() const { return spec()["schedulerName"].str("default-scheduler"); }
  std::string_view restart_policy() const { return spec()["restartPolicy"].str("Always"); }
  std::string_view service_account() const { return spec()["serviceAccountName"].str("default"); }
  bool host_network() const { return spec()["hostNetwork"].boolean(); }
  bool host_pid() const { return spec()["hostPID"].boolean(); }
  bool host_ipc() const { return spec()["hostIPC"].boolean(); }
  int64_t priority() const { return spec()["priority"].integer(); }
  int64_t grace_seconds() const { return spec()["terminationGracePeriodSeconds"].integer(30); }
  Value tolerations() const { return spec()["tolerations"]; }
  Value scheduling_gates() const { return spec()["schedulingGates"]; }

  // phase
  std::string_view phase() const { return status()["phase"].str("Pending"); }
  bool is_terminal() const;  // Succeeded or Failed
  bool is_deleting() const { return metadata()["deletionTimestamp"].exists(); }
  std::optional<int64_t> deletion_time_us() const;  // metadata.deletionTimestamp
  int64_t deletion_grace_seconds() const { return metadata()["deletionGracePeriodSeconds"].integer(); }
  bool is_active() const { return !is_terminal() && !is_deleting(); }  // controllers count these as replicas
  // The Ready condition is True.
  bool is_ready() const;
  // Ready for min_ready_seconds by its condition's lastTransitionTime (IsPodAvailable).
  // When it is or will be, if it stays ready; nothing: it is not ready. 0: as soon as it is ready.
  std::optional<int64_t> available_at_us(int64_t min_ready_seconds) const;
  bool is_available(int64_t min_ready_seconds, int64_t now_us) const;
  Value condition(std::string_view type) const;  // absent if there is none
  bool is_mirror() const { return annotations().has("kubernetes.io/config.mirror"); }
  bool is_static() const;  // made from a manifest on the node

  // containers
  Value containers() const { return spec()["containers"]; }
  Value init_containers() const { return spec()["initContainers"]; }
  Value ephemeral_containers() const { return spec()["ephemeralContainers"]; }
  Value volumes() const { return spec()["volumes"]; }
  Value container(std::string_view container_name) const;         // among all three sorts; absent if none
  Value container_status(std::string_view container_name) const;  // among all three lists of the status
  static bool is_sidecar(Value init_container);                   // restartPolicy: Always

  // addresses
  std::string_view pod_ip() const { return status()["podIP"].str(); }
  std::string_view host_ip() const { return status()["hostIP"].str(); }

  // resources
  // What the scheduler and the kubelet's admission reserve: the greater of the sum of containers (with sidecars) and
  // each init container (with the sidecars started before it), and the overhead (KEP-753 and PodRequests upstream).
  ResourceAmounts requests() const;
  ResourceAmounts limits() const;
  QosClass qos() const;  // computed from the spec
  std::vector<HostPort> host_ports() const;
  std::vector<std::string_view> images() const;  // of all containers

 private:
  Value pod_;
};

// "nginx:1.25" of "docker.io/library/nginx:1.25@sha256:..": what decides the default pull policy. "" tag is "latest".
std::string_view image_tag(std::string_view image);

}  // namespace bramble

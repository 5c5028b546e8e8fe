// What every part of the kubelet works with: options, and the other rooms by reference. Built once by Kubelet.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cni/pod_network.h"
#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/base/metrics.h"
#include "core/base/random.h"
#include "core/client/alarm.h"
#include "core/client/client.h"
#include "core/client/recorder.h"
#include "core/kubelet/image_gc_plan.h"
#include "core/kubelet/node_settings.h"
#include "core/kubelet/host_security.h"
#include "core/kubelet/probe_counts.h"
#include "core/kubelet/log_stream.h"
#include "core/quarantine/quarantine.h"
#include "core/resources/pod_view.h"
#include "core/runtime/pod_runtime.h"
#include "images/image_store.h"
#include "images/pull/image_source.h"

namespace bramble {

struct KubeletOptions {
  std::string node_name, node_ip;
  std::vector<std::string> external_ips;                      // as the world outside sees the node
  std::string cluster_dns = "10.43.0.10", cluster_domain = "cluster.local";
  std::string root_dir = "/var/lib/kubelet";                  // volumes: <root>/pods/<uid>
  std::string data_dir;                                       // "<data-dir>/agent": root file systems, the shim
  std::string run_dir = "/run/bramble";
  std::string log_dir = "/var/log/pods";
  std::string container_log_dir = "/var/log/containers";      // links by container, for log shippers; "": none
  std::string cgroup_root = "kubepods", shim_cgroup = "bramble/shims";
  std::string runtime = "runc";
  uint64_t open_files = 0;                                    // the soft limit of shims; 0: this process's
  std::string resolv_conf = "/etc/resolv.conf";
  std::string kubelet_version = "v1.36.3";
  std::string runtime_version = "bramble://0.1.0";            // nodeInfo.containerRuntimeVersion
  uint16_t kubelet_port = 10250;
  std::vector<std::string> labels, taints;                    // "k=v", "k=v:NoSchedule"; at registration
  int max_pods = 110;
  std::string manifest_dir() const { return cat(data_dir, "/pod-manifests"); }  // of static pods
  ImageGcPolicy image_gc;
  NodeSettings settings;
  bool watch_kernel_log = false;                              // for processes that the kernel ended for want of memory
  ImageSource* image_source = nullptr;                        // registries; outlives the kubelet; null: none is asked
  AlarmFactory alarms;                                        // empty: the loop's
  std::function<void(MetricText&)> metrics;                   // what the process adds to /metrics of the kubelet; may be empty
  Quarantine* quarantine = nullptr;                           // outlives the kubelet; may be null
  std::string store_mark;                                     // names the cluster; "": by what its store says
  std::function<bool()> pods_known;                           // false: the server, elsewhere, has not told of the node's pods yet
};

// How many probes of the node are carried out at once. Loop thread.
struct ProbeSlots {
  explicit ProbeSlots(const AlarmFactory& alarms) {
    std::function<void()> fire = [this] { freed.pulse(); };
    alarm = alarms(fire);
  }
  int taken = 0;
  Event freed;  // look again; never within what frees one
  std::unique_ptr<Alarm> alarm;

  class Turn {
   public:
    explicit Turn(ProbeSlots* slots) : slots_(slots) {}
    ~Turn() {
      if (!taken_) return;
      --slots_->taken;
      slots_->alarm->set_in_ms(0);
    }
    Turn(const Turn&) = delete;
    bool take() {
      if (slots_->taken >= limits::kProbesAtOnceMax) return false;
      ++slots_->taken;
      return taken_ = true;
    }

   private:
    ProbeSlots* slots_;
    bool taken_ = false;
  };
};

struct NodeParts {
  KubeletOptions options;
  Client& client;
  ImageStore& images;
  PodNetwork& network;
  Clock& clock;
  Random& random;
  Cgroups& cgroups;
  PodRuntime& runtime;
  Recorder& recorder;
  ResourceAmounts capacity, allocatable;
  std::vector<std::string> node_ips;
  bool may_lower_oom_score = false;
  HostSecurity host = read_host_security();
  std::string apparmor_default;  // the profile that was loaded; "": none
  std::shared_ptr<LogFollowers> followers = std::make_shared<LogFollowers>();
  std::unique_ptr<ProbeSlots> probe_slots = std::make_unique<ProbeSlots>(options.alarms);
  std::unique_ptr<ProbeCounts> probe_counts = std::make_unique<ProbeCounts>();
  std::function<void()> pod_released = {};  // called when a pod has given back what it had on this node
  bool counts_swap = false;                 // the kernel does, by cgroup
  int64_t swap_bytes = 0;                   // of the machine

  std::string pod_root(const std::string& uid) const { return cat(options.root_dir, "/pods/", uid); }
  std::string container_disk(const std::string& uid, const std::string& id) const { return cat(options.data_dir, "/pods/", uid, "/", id); }
  // Whose pods these are: what stands there names the store that they came from.
  std::string mark_path(const std::string& uid) const { return cat(options.data_dir, "/pod-marks/", uid); }
  // The store's name: a cluster is known by the uid of its first namespace. "" before there is one.
  std::string store_mark() const {
    if (!options.store_mark.empty()) return options.store_mark;
    Document first = client.snapshot().get(resource_ids::kNamespaces, "", "kube-system");
    return first ? cat("store ", uid_of(first), "\n") : std::string();
  }
  std::string log_folder(Value pod) const { return cat(options.log_dir, "/", meta(pod, "namespace"), "_", meta(pod, "name"), "_", meta(pod, "uid")); }
};

}  // namespace bramble

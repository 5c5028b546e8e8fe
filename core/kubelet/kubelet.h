// Kubelet: the pods of one node. It follows the pods that name the node, gives each a PodWorker, reports the node, and serves
// logs, exec and port-forward. Loop thread. Destroying it leaves the pods running; the next one adopts them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/client/node_readings.h"
#include "core/client/node_streams.h"
#include "core/kubelet/eviction.h"
#include "core/kubelet/image_gc.h"
#include "core/kubelet/node_pages.h"
#include "core/kubelet/node_report.h"
#include "core/kubelet/node_reserves.h"
#include "core/kubelet/node_shutdown.h"
#include "core/kubelet/oom_watch.h"
#include "core/kubelet/pod_admission.h"
#include "core/kubelet/pod_worker.h"
#include "core/kubelet/static_pods.h"
#include "core/loop/wall_alarm.h"

namespace bramble {

class Kubelet final : public NodeStreams {
 public:
  // Checks the machine (cgroups, runtime) and prepares its folders. Errors are one line that says what and what to do.
  // client, images, network, clock and random must outlive it.
  static Result<std::unique_ptr<Kubelet>> open(KubeletOptions options, Client& client, ImageStore& images, PodNetwork& network, Clock& clock, Random& random);
  ~Kubelet() override;
  // Adopts what runs, registers the node, follows the API. Once.
  void start();
  // The node's images have changed (an import): pods that wait for one try again, the node's status shows it.
  void images_changed();
  // An image was pulled: the node's status shows it.
  void image_pulled();
  // Whether anything of such a pod is on this node; the API may have let it go already.
  bool has(const ObjectKey& pod) const { return worker_of(pod) != nullptr; }
  // Ids of the images that containers of this node have, running or not.
  std::set<std::string> images_in_use() const;
  // What is absent from the API is no longer in doubt (Snapshot::may_be_lost): what runs for pods that are not there ends.
  void look_again();
  // PodNetwork::ready() answers differently: pods that wait for it try again, the node's status shows it.
  void network_changed();

  // What it measures, and the pages of its port.
  NodePages& pages() { return *pages_; }

  Task<Result<std::unique_ptr<DuplexStream>>> logs(ObjectKey pod, LogOptions options) override;
  Task<Result<std::unique_ptr<ExecSession>>> exec(ObjectKey pod, ExecOptions options) override;
  Task<Result<std::unique_ptr<DuplexStream>>> port_forward(ObjectKey pod, uint16_t port) override;

 private:
  Kubelet(std::unique_ptr<Cgroups> cgroups, std::unique_ptr<PodRuntime> runtime, KubeletOptions options, Client& client, ImageStore& images, PodNetwork& network, Clock& clock, Random& random,
          MachineFacts machine, std::vector<EvictionThreshold> thresholds);
  void on_change(const Change& change);
  void on_pod(const Change& change);
  void take_on(const Document& pod, bool gone, bool of_manifest);
  void follow_manifests();
  Task<void> remove_mirror(Document pod);
  std::set<std::string> in_cluster() const;
  void adopt_orphans();
  void adopt_unknown();
  void now_known(const ResourceId& resource);
  Task<void> begin();
  Task<Status> clear_unknown(std::set<std::string> known);
  void admit(const Document& pod, PodWorker& worker);
  void start_evictions();
  void start_shutdown();
  void tell_oom(const OomReader::Victim& victim);
  void retire(std::string uid);
  Task<void> load_apparmor_profile();
  void look_at_resizes();
  std::optional<PodRefusal> weigh(const Document& pod, const PodWorker* but_for, bool of_manifest) const;
  void share_cpu();
  PodWorker* worker_of(const ObjectKey& pod) const;

  std::unique_ptr<Cgroups> cgroups_;
  std::unique_ptr<PodRuntime> runtime_;
  Recorder recorder_;
  MachineFacts machine_;
  NodeParts parts_;
  std::map<std::string, std::unique_ptr<PodWorker>> workers_;  // by pod uid
  std::vector<std::string> retired_;
  std::set<std::string> removing_mirrors_;  // by uid
  bool began_ = false;
  std::unique_ptr<Alarm> retire_alarm_;
  std::unique_ptr<WallAlarm> clock_set_;
  std::unique_ptr<StaticPods> static_pods_;
  std::unique_ptr<NodeReport> report_;
  std::unique_ptr<ImageGarbage> image_garbage_;
  std::unique_ptr<NodePages> pages_;
  std::vector<EvictionThreshold> thresholds_;
  std::unique_ptr<Evictions> evictions_;
  std::unique_ptr<NodeCgroups> node_cgroups_;
  std::unique_ptr<OomWatch> oom_watch_;
  std::unique_ptr<NodeShutdown> shutdown_;
  std::unique_ptr<Subscription> subscription_;
  TaskGroup tasks_;
};

}  // namespace bramble

// Pages of the kubelet's port that tell what it has: its pods, those that run, its configuration (kubelet.config.k8s.io/v1beta1).
#include "core/base/limits.h"
#include "core/kubelet/node_pages.h"
#include "core/kubelet/pod_worker.h"

namespace bramble {

// running: by what the runtime has, with no more than it knows.
NodePage NodePages::pod_list(bool running) const {
  Builder b;
  b.root().set("kind", "PodList");
  b.root().set("apiVersion", "v1");
  b.root().object("metadata");
  Mut items = b.root().array("items");
  each_worker_([running, &items](const PodWorker& worker) {
    const Document& pod = worker.pod();
    if (!running) {
      Mut item = items.append_copy(pod.root());
      item.remove("kind");
      item.remove("apiVersion");
      return;
    }
    bool any = false;
    for (const ContainerRecord& r : worker.records()) any = any || r.phase == ContainerRecord::Phase::kRunning;
    if (!any) return;
    Mut item = items.append_object();
    Mut metadata = item.object("metadata");
    metadata.set("name", name_of(pod));
    metadata.set("namespace", namespace_of(pod));
    metadata.set("uid", worker.uid());
    Mut containers = item.object("spec").array("containers");
    for (const ContainerRecord& r : worker.records()) {
      if (r.phase != ContainerRecord::Phase::kRunning) continue;
      Mut c = containers.append_object();
      c.set("name", r.name);
      c.set("image", r.image_id);
      c.object("resources");
    }
    item.object("status");
  });
  return {200, "application/json", b.dump()};
}

// What holds here; what a kubelet could be told and this one knows nothing of is not there.
NodePage NodePages::configuration() const {
  const KubeletOptions& o = parts_.options;
  Builder b;
  Mut c = b.root().object("kubeletconfig");
  c.set("enableServer", true);
  c.set("staticPodPath", o.manifest_dir());
  c.set("address", "0.0.0.0");
  c.set("port", static_cast<int64_t>(o.kubelet_port));
  Mut authentication = c.object("authentication");
  authentication.object("anonymous").set("enabled", false);
  authentication.object("webhook").set("enabled", true);
  c.object("authorization").set("mode", "Webhook");
  c.set("clusterDomain", o.cluster_domain);
  c.array("clusterDNS").append(o.cluster_dns);
  c.set("imageMinimumGCAge", go_duration(o.image_gc.min_age_us));
  c.set("imageMaximumGCAge", go_duration(o.image_gc.max_age_us));
  c.set("imageGCHighThresholdPercent", o.image_gc.high_percent);
  c.set("imageGCLowThresholdPercent", o.image_gc.low_percent);
  c.set("cgroupRoot", "/");
  c.set("cgroupsPerQOS", true);
  c.set("cgroupDriver", "cgroupfs");
  c.set("cpuManagerPolicy", "none");
  c.set("memoryManagerPolicy", "None");
  c.set("topologyManagerPolicy", "none");
  c.set("runtimeRequestTimeout", go_duration(limits::kRuntimeCommandMs * 1000));
  c.set("maxPods", o.max_pods);
  c.set("resolvConf", o.resolv_conf);
  c.set("cpuCFSQuota", true);
  c.set("containerLogMaxSize", cat(limits::kLogFileBytesMax >> 20, "Mi"));
  c.set("containerLogMaxFiles", limits::kLogFilesMax);
  Mut backoff = c.object("crashLoopBackOff");
  backoff.set("maxContainerRestartPeriod", go_duration(limits::kCrashBackoffMaxUs));
  c.set("registerNode", true);
  c.set("localStorageCapacityIsolation", true);
  return {200, "application/json", b.dump()};
}

}  // namespace bramble

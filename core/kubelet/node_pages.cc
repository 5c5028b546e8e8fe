#include "core/kubelet/node_pages.h"

#include <algorithm>

#include "core/kubelet/claims.h"
#include "core/kubelet/pod_worker.h"
#include "core/kubelet/stats_summary.h"
#include "core/kubelet/usage_metrics.h"
#include "core/kubelet/volumes.h"

namespace bramble {

namespace {

constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
constexpr std::string_view kTextType = "text/plain; charset=utf-8";

NodePage text_page(int status, std::string text) { return {status, std::string(kTextType), std::move(text)}; }

bool asks_for(std::string_view query, std::string_view key) {
  for (std::string_view part : split(query, '&')) {
    auto pair = cut(part, "=");
    if (pair && pair->first == key) return pair->second == "true" || pair->second == "1" || pair->second == "True" || pair->second == "t";
  }
  return false;
}

// Volumes that live on this node; what a host path leads to is not the pod's, and a server of exports may never answer.
// resolved: the pod with its claims' volumes.
std::vector<VolumeReading> volumes_of(const PodView& pod, const Document& resolved, const std::string& pod_root) {
  std::vector<VolumeReading> out;
  size_t index = 0;
  for (Value asked : pod.volumes().items()) {
    Value volume = resolved["spec"]["volumes"].item(index++);
    if (volume.has("hostPath") || volume.has("nfs")) continue;
    VolumeReading v;
    v.folder.path = volume_path(pod_root, volume);
    if (v.folder.path.empty()) continue;
    v.name = volume["name"].text();
    v.claim = asked.has("ephemeral") ? cat(pod.name(), "-", v.name) : asked["persistentVolumeClaim"]["claimName"].text();
    v.in_pod = v.claim.empty() && (volume.has("emptyDir") || volume.has("configMap") || volume.has("gitRepo"));
    out.push_back(std::move(v));
  }
  return out;
}

void print_volumes(MetricText& out, const NodeReading& r) {
  struct Family {
    const char *name, *help;
    uint64_t (*value)(const FolderReading& f);
  };
  static constexpr Family kFamilies[] = {
      {"kubelet_volume_stats_capacity_bytes", "Capacity in bytes of the volume", [](const FolderReading& f) { return f.file_system->capacity_bytes; }},
      {"kubelet_volume_stats_available_bytes", "Number of available bytes in the volume", [](const FolderReading& f) { return f.file_system->available_bytes; }},
      {"kubelet_volume_stats_used_bytes", "Number of used bytes in the volume", [](const FolderReading& f) { return f.scan ? f.scan->bytes : f.file_system->used_bytes; }},
      {"kubelet_volume_stats_inodes", "Maximum number of inodes in the volume", [](const FolderReading& f) { return f.file_system->inodes; }},
      {"kubelet_volume_stats_inodes_free", "Number of free inodes in the volume", [](const FolderReading& f) { return f.file_system->inodes_free; }},
      {"kubelet_volume_stats_inodes_used", "Number of used inodes in the volume", [](const FolderReading& f) { return f.scan ? f.scan->inodes : f.file_system->inodes - std::min(f.file_system->inodes, f.file_system->inodes_free); }},
  };
  std::set<std::pair<std::string, std::string>> told;  // a claim that several pods share once
  for (const PodReading& pod : r.pods) {
    for (const VolumeReading& v : pod.volumes) {
      if (v.claim.empty() || !v.folder.file_system || !told.emplace(pod.ns, v.claim).second) continue;
      for (const Family& f : kFamilies) {
        out.family(f.name, "gauge", "ALPHA", f.help);
        out.value(label_text({{"namespace", pod.ns}, {"persistentvolumeclaim", v.claim}}), static_cast<double>(f.value(v.folder)));
      }
    }
  }
}

}  // namespace

NodePages::NodePages(NodeParts& parts, const MachineFacts& machine, Workers each_worker)
    : parts_(parts), machine_(machine), each_worker_(std::move(each_worker)), counts_(parts), usage_(parts, [this] { return pods(); }) {}

// Those that have not ended, with their containers that run.
std::vector<PodReading> NodePages::pods() const {
  std::vector<PodReading> out;
  each_worker_([this, &out](const PodWorker& worker) {
    PodView pod(worker.pod());
    if (pod.is_terminal() || worker.records().empty()) return;
    PodReading reading;
    reading.ns = std::string(pod.ns());
    reading.name = std::string(pod.name());
    reading.uid = worker.uid();
    reading.cgroup = parts_.cgroups.pod_path(qos_name(pod.qos()), worker.uid());
    reading.started_us = parse_rfc3339(pod.status()["startTime"].str()).value_or(0);
    reading.host_network = pod.host_network();
    for (const ContainerRecord& record : worker.records()) {
      if (record.phase != ContainerRecord::Phase::kRunning) continue;
      ContainerReading c;
      c.name = record.name;
      c.id = record.id;
      c.image = record.image;
      c.cgroup = cat(reading.cgroup, "/", record.id);
      c.attempt = record.attempt;
      c.started_us = record.started_us;
      c.layer.path = cat(parts_.container_disk(worker.uid(), record.id), "/work/upper");
      c.logs.path = record.log_path.substr(0, record.log_path.rfind('/'));
      reading.pid = record.pid;
      reading.containers.push_back(std::move(c));
    }
    auto resolved = resolve_claims(parts_.client.snapshot(), worker.pod(), true);
    reading.volumes = volumes_of(pod, resolved.ok() ? *resolved : worker.pod(), parts_.pod_root(worker.uid()));
    out.push_back(std::move(reading));
  });
  std::sort(out.begin(), out.end(), [](const PodReading& a, const PodReading& b) { return std::tie(a.ns, a.name, a.uid) < std::tie(b.ns, b.name, b.uid); });
  return out;
}

Task<Result<NodeSample>> NodePages::sample() {
  NodeUsage::Wanted wanted;
  wanted.rates = true;
  Task<NodeReadingRef> reading = usage_.read(wanted);
  NodeReadingRef r = co_await reading;
  if (!r->rate || !r->root.working_set_bytes) co_return Error(Code::kUnavailable, cat("node ", parts_.options.node_name, ": its cgroups tell nothing"));
  NodeSample out;
  out.taken_us = r->wall_us;
  out.window_us = r->rate->window_us;
  auto usage_of = [](const CgroupUsage& u, const CpuRate& rate) {
    UsageSample s;
    s.cpu_nano_cores = rate.nano_cores;
    s.memory_bytes = u.working_set_bytes.value_or(0);
    s.has_swap = u.swap_bytes.has_value();
    s.swap_bytes = u.swap_bytes.value_or(0);
    return s;
  };
  out.usage = usage_of(r->root, *r->rate);
  for (const PodReading& pod : r->pods) {
    PodSample p;
    p.pod = {pod.ns, pod.name};
    p.uid = pod.uid;
    bool whole = !pod.containers.empty();
    for (const ContainerReading& c : pod.containers) {
      whole = whole && c.rate && c.usage.working_set_bytes;
      if (!whole) break;
      p.window_us = std::max(p.window_us, c.rate->window_us);
      p.containers.push_back({c.name, usage_of(c.usage, *c.rate)});
    }
    if (whole) out.pods.push_back(std::move(p));  // as metrics-server: a pod is shown when all of it is known
  }
  co_return out;
}

std::string NodePages::own_metrics(const NodeReading& r) const {
  MetricText page;
  page.family("kubelet_node_name", "gauge", "ALPHA", "The node's name. The count is always 1.");
  page.value(label_text({{"node", parts_.options.node_name}}), 1);
  std::map<std::string, int> containers;
  int pods = 0;
  each_worker_([&](const PodWorker& worker) {
    bool runs = false;
    for (const ContainerRecord& record : worker.records()) {
      if (record.removed) continue;
      const bool running = record.phase == ContainerRecord::Phase::kRunning;
      runs = runs || running;
      ++containers[running ? "running" : record.phase == ContainerRecord::Phase::kCreated ? "created" : "exited"];
    }
    pods += runs;
  });
  page.single("kubelet_running_pods", "gauge", "ALPHA", "Number of pods that have a running pod sandbox", pods);
  page.family("kubelet_running_containers", "gauge", "ALPHA", "Number of containers currently running");
  for (const auto& [state, count] : containers) page.value(label_text({{"container_state", state}}), count);
  counts_.print(page);
  if (evictions_ && !evictions_->empty()) {
    page.family("kubelet_evictions", "counter", "ALPHA", "Cumulative number of pod evictions by eviction signal");
    for (const auto& [signal, count] : *evictions_) page.value(label_text({{"eviction_signal", signal}}), static_cast<double>(count));
  }
  print_volumes(page, r);
  if (parts_.options.metrics) parts_.options.metrics(page);
  return page.take();
}

Task<NodePage> NodePages::page(std::string method, std::string path, std::string query) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const bool metrics = path == "/metrics" || path == "/metrics/cadvisor" || path == "/metrics/resource" || path == "/metrics/probes";
  if (path == "/healthz" || path == "/healthz/ping") co_return text_page(200, "ok");
  if ((path == "/pods" || path == "/runningpods" || path == "/configz") && method != "GET" && method != "HEAD") co_return text_page(405, "405: Method Not Allowed");
  if (path == "/pods" || path == "/runningpods") co_return pod_list(path == "/runningpods");
  if (path == "/configz") co_return configuration();
  if (path != "/stats/summary" && !metrics) co_return text_page(404, "404 page not found\n");
  if (method != "GET" && method != "HEAD" && !(path == "/stats/summary" && method == "POST")) co_return text_page(405, "405: Method Not Allowed");
  NodeUsage::Wanted wanted;
  const bool little = path == "/metrics/resource" || asks_for(query, "only_cpu_and_memory");
  wanted.all_counters = !little && path != "/metrics";
  wanted.disks = !little;
  wanted.rates = path == "/stats/summary";
  NodePage out;
  out.content_type = kMetricsType;
  if (path == "/metrics/probes") {
    MetricText probes;
    parts_.probe_counts->print(probes);
    out.body = probes.take();
    co_return out;
  }
  Task<NodeReadingRef> reading = usage_.read(wanted);
  NodeReadingRef r = co_await reading;
  if (path == "/stats/summary") {
    SummaryOptions options{parts_.options.node_name, little};
    out.content_type = "application/json";
    out.body = stats_summary(*r, options);
    co_return out;
  }
  if (path == "/metrics") {
    out.body = own_metrics(*r);
    co_return out;
  }
  MetricText text;
  if (path == "/metrics/resource") {
    print_resource_metrics(text, r.get());
  } else {
    MachineNames names{machine_.machine_id, machine_.system_uuid, machine_.boot_id, machine_.kernel_version, machine_.os_image, parts_.options.runtime_version, machine_.cpus};
    print_cadvisor_metrics(text, *r, names, parts_.options.cgroup_root);
  }
  out.body = text.take();
  co_return out;
}

}  // namespace bramble

#include "core/kubelet/kubelet_counts.h"

namespace bramble {

namespace {

constexpr double kStartSeconds[] = {0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600};

// Containers that run now, and did not under that id before.
uint64_t newly_running(const Document& before, const Document& after, std::string_view list) {
  uint64_t count = 0;
  for (Value now : after["status"][list].items()) {
    if (!now["state"].has("running") && !now["state"].has("terminated")) continue;
    bool known = now["containerID"].str().empty();
    if (before) {
      for (Value was : before["status"][list].items()) known = known || was["containerID"].str() == now["containerID"].str();
    }
    count += !known;
  }
  return count;
}

}  // namespace

KubeletCounts::KubeletCounts(NodeParts& parts) : parts_(parts), start_seconds_(kStartSeconds) {
  subscription_ = parts_.client.subscribe({resource_ids::kPods}, [this](const Change& change) { on_change(change); });
}

void KubeletCounts::on_change(const Change& change) {
  const Document& pod = change.after ? change.after : change.before;
  PodView view(pod);
  if (view.node_name() != parts_.options.node_name) return;
  const std::string uid(view.uid());
  if (!change.after || view.is_terminal()) waiting_us_.erase(uid);
  if (!change.after) return;
  started_containers_ += newly_running(change.before, change.after, "containerStatuses");
  started_init_containers_ += newly_running(change.before, change.after, "initContainerStatuses");
  const bool is_new = !change.before || PodView(change.before).node_name().empty();
  if (is_new && view.phase() == "Pending") {
    waiting_us_[uid] = parts_.clock.monotonic_us();
    ++started_pods_;
  }
  auto it = waiting_us_.find(uid);
  if (it == waiting_us_.end() || view.phase() != "Running") return;
  start_seconds_.observe(static_cast<double>(parts_.clock.monotonic_us() - it->second) / 1e6);
  waiting_us_.erase(it);
}

void KubeletCounts::print(MetricText& out) const {
  out.family("kubelet_pod_start_duration_seconds", "histogram", "ALPHA", "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run");
  out.histogram("", start_seconds_);
  out.single("kubelet_started_pods_total", "counter", "ALPHA", "Cumulative number of pods started", static_cast<double>(started_pods_));
  out.family("kubelet_started_containers_total", "counter", "ALPHA", "Cumulative number of containers started");
  out.value(label_text({{"container_type", "container"}}), static_cast<double>(started_containers_));
  out.value(label_text({{"container_type", "init_container"}}), static_cast<double>(started_init_containers_));
}

}  // namespace bramble

#include "core/kubelet/usage_metrics.h"

namespace bramble {

namespace {

double seconds_of(uint64_t ns) { return static_cast<double>(ns) / 1e9; }

// A family's value, where there is one.
struct Sheet {
  MetricText& out;
  int64_t at_us;
  void family(std::string_view name, std::string_view type, std::string_view stability, std::string_view help) { out.family(name, type, stability, help); }
  void put(const std::string& labels, Count n) {
    if (n) out.value_at(labels, static_cast<double>(*n), at_us);
  }
};

}  // namespace

void print_resource_metrics(MetricText& out, const NodeReading* reading) {
  const double failed = reading && reading->root.cpu_ns ? 0 : 1;
  constexpr std::string_view kHelp = "1 if there was an error while getting container metrics, 0 otherwise";
  out.single("scrape_error", "gauge", "ALPHA", cat("(Deprecated since 1.29.0) ", kHelp), failed);
  out.single("resource_scrape_error", "gauge", "STABLE", kHelp, failed);
  if (!reading) return;
  const NodeReading& r = *reading;
  Sheet sheet{out, r.wall_us};
  sheet.family("node_cpu_usage_seconds_total", "counter", "STABLE", "Cumulative cpu time consumed by the node in core-seconds");
  if (r.root.cpu_ns) out.value_at("", seconds_of(*r.root.cpu_ns), r.wall_us);
  sheet.family("node_memory_working_set_bytes", "gauge", "STABLE", "Current working set of the node in bytes");
  sheet.put("", r.root.working_set_bytes);
  sheet.family("node_swap_usage_bytes", "gauge", "ALPHA", "Current swap usage of the node in bytes. Reported only on non-windows systems");
  sheet.put("", r.root.swap_bytes);
  for (const PodReading& pod : r.pods) {
    for (const ContainerReading& c : pod.containers) {
      const std::string labels = label_text({{"container", c.name}, {"namespace", pod.ns}, {"pod", pod.name}});
      if (c.started_us > 0) {
        sheet.family("container_start_time_seconds", "gauge", "STABLE", "Start time of the container since unix epoch in seconds");
        out.value(labels, static_cast<double>(c.started_us) / 1e6);
      }
      sheet.family("container_cpu_usage_seconds_total", "counter", "STABLE", "Cumulative cpu time consumed by the container in core-seconds");
      if (c.usage.cpu_ns) out.value_at(labels, seconds_of(*c.usage.cpu_ns), r.wall_us);
      sheet.family("container_memory_working_set_bytes", "gauge", "STABLE", "Current working set of the container in bytes");
      sheet.put(labels, c.usage.working_set_bytes);
      sheet.family("container_swap_usage_bytes", "gauge", "ALPHA", "Current amount of the container swap usage in bytes. Reported only on non-windows systems");
      sheet.put(labels, c.usage.swap_bytes);
      sheet.family("container_swap_limit_bytes", "gauge", "ALPHA", "Current amount of the container swap limit in bytes. Reported only on non-windows systems");
      sheet.put(labels, c.usage.swap_limit_bytes);
    }
    const std::string labels = label_text({{"namespace", pod.ns}, {"pod", pod.name}});
    sheet.family("pod_cpu_usage_seconds_total", "counter", "STABLE", "Cumulative cpu time consumed by the pod in core-seconds");
    if (pod.usage.cpu_ns) out.value_at(labels, seconds_of(*pod.usage.cpu_ns), r.wall_us);
    sheet.family("pod_memory_working_set_bytes", "gauge", "STABLE", "Current working set of the pod in bytes");
    sheet.put(labels, pod.usage.working_set_bytes);
    sheet.family("pod_swap_usage_bytes", "gauge", "ALPHA", "Current amount of the pod swap usage in bytes. Reported only on non-windows systems");
    sheet.put(labels, pod.usage.swap_bytes);
  }
}

}  // namespace bramble

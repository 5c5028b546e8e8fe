// CPU rates, the summary and the pages of metrics, over readings that are made here; who may read a page.
#include <gtest/gtest.h>

#include "core/base/limits.h"
#include "core/kubelet/cpu_rates.h"
#include "core/kubelet/kubelet_port.h"
#include "core/kubelet/probe_counts.h"
#include "core/kubelet/stats_summary.h"
#include "core/kubelet/usage_metrics.h"

namespace bramble {
namespace {

constexpr int64_t kSecond = 1000000;

TEST(CpuRates, are_told_over_the_time_between_two_questions) {
  CpuRates rates;
  const int64_t min = limits::kUsageWindowMinUs;
  EXPECT_FALSE(rates.note("c", {100 * kSecond, 50}, {}, min)) << "one point is no rate";
  struct Case {
    const char* name;
    int64_t at_s;
    uint64_t cpu_ns;
    int64_t window_s;  // 0: no rate
    uint64_t nano_cores;
  };
  const uint64_t half = 500000000;
  for (const Case& c : {Case{"too soon", 105, 50 + 5 * half, 0, 0}, Case{"after 15 s", 115, 50 + 15 * half, 15, half}, Case{"asked all the time: the older point", 117, 50 + 17 * half, 17, half},
                        Case{"the younger is old enough", 126, 50 + 26 * half + 11 * half, 11, 2 * half}, Case{"idle since", 141, 50 + 26 * half + 11 * half, 15, 0},
                        Case{"after an hour", 3741, 50 + 3741 * half, 0, 0}, Case{"and a second look", 3742, 50 + 3742 * half, 0, 0}}) {
    auto rate = rates.note("c", {c.at_s * kSecond, c.cpu_ns}, {}, min);
    ASSERT_EQ(rate.has_value(), c.window_s != 0) << c.name;
    if (!rate) continue;
    EXPECT_EQ(rate->window_us, c.window_s * kSecond) << c.name;
    EXPECT_EQ(rate->nano_cores, c.nano_cores) << c.name;
  }
  auto second = rates.note("c", {3743 * kSecond, 50 + 3743 * half}, {}, kSecond / 2);
  ASSERT_TRUE(second) << "whoever waited for it gets the short window";
  EXPECT_EQ(second->nano_cores, half);
}

TEST(CpuRates, of_something_new_begin_with_its_start) {
  CpuRates rates;
  auto rate = rates.note("c", {100 * kSecond, 4000000000}, 96 * kSecond, limits::kUsageWindowMinUs);
  ASSERT_TRUE(rate);
  EXPECT_EQ(rate->nano_cores, 1000000000u);
  EXPECT_EQ(rate->window_us, 4 * kSecond);
  EXPECT_FALSE(rates.note("old", {1000 * kSecond, 4000000000}, 96 * kSecond, limits::kUsageWindowMinUs)) << "its whole life says nothing of now";
}

TEST(CpuRates, of_a_counter_that_begins_anew_are_no_giants) {
  CpuRates rates;
  rates.note("c", {100 * kSecond, 1000}, {}, limits::kUsageWindowMinUs);
  EXPECT_FALSE(rates.note("c", {120 * kSecond, 10}, {}, limits::kUsageWindowMinUs));
  EXPECT_TRUE(rates.note("c", {140 * kSecond, 20}, {}, limits::kUsageWindowMinUs));
  rates.note("d", {150 * kSecond, 20}, {}, limits::kUsageWindowMinUs);
  rates.forget_before(150 * kSecond);
  EXPECT_EQ(rates.size(), 1u);
}

NodeReading some_reading() {
  NodeReading r;
  r.all_counters = r.disks = true;
  r.wall_us = 1767323045000000;
  r.machine.boot_us = r.wall_us - 3600 * kSecond;
  r.machine.memory.total_bytes = 1000000;
  r.machine.threads = 190;
  r.machine.threads_max = 32768;
  LinkCount eth0;
  eth0.name = "eth0";
  eth0.rx_bytes = 7;
  r.machine.links = {eth0};
  r.root.cpu_ns = 5000000000;
  r.root.memory_bytes = 600000;
  r.root.working_set_bytes = 400000;
  r.root.memory_limit_bytes = 1000000;
  r.root.swap_bytes = 0;
  r.rate = CpuRate{250000000, 15 * kSecond};
  FileSystemUsage disk;
  disk.capacity_bytes = 100000, disk.available_bytes = 60000, disk.used_bytes = 40000, disk.inodes = 1000, disk.inodes_free = 900;
  r.node_disk.file_system = r.image_disk.file_system = disk;
  r.image_bytes = 12345;
  PodReading pod;
  pod.ns = "default", pod.name = "web", pod.uid = "u1", pod.cgroup = "/kubepods/podu1";
  pod.started_us = r.wall_us - 60 * kSecond;
  pod.usage.cpu_ns = 2000000000;
  pod.usage.processes = 3;
  pod.links = {eth0};
  ContainerReading c;
  c.name = "a", c.id = "id1", c.image = "docker.io/library/web:1", c.cgroup = "/kubepods/podu1/id1";
  c.started_us = r.wall_us - 50 * kSecond;
  c.usage.cpu_ns = 1500000000;
  c.usage.memory_bytes = 3000;
  c.usage.working_set_bytes = 2000;
  c.usage.memory_limit_bytes = 5000;
  c.usage.rss_bytes = 1000;
  c.usage.page_faults = 9;
  c.usage.swap_bytes = 10;
  c.usage.swap_limit_bytes = 30;
  c.rate = CpuRate{1000000000, 15 * kSecond};
  c.layer.path = "/layer", c.layer.file_system = disk, c.layer.scan = DiskScan{4096, 2, true};
  c.logs.path = "/logs", c.logs.file_system = disk, c.logs.scan = DiskScan{1024, 1, true};
  pod.containers = {c};
  VolumeReading v;
  v.name = "scratch", v.in_pod = true;
  v.folder.path = "/v", v.folder.file_system = disk, v.folder.scan = DiskScan{100, 3, true};
  VolumeReading memory = v;
  memory.name = "in-memory";
  memory.folder.file_system->in_memory = true;
  memory.folder.scan.reset();
  pod.volumes = {v, memory};
  r.pods = {pod};
  return r;
}

TEST(StatsSummary, has_upstreams_shape) {
  auto d = Document::parse(stats_summary(some_reading(), {"n1", false}));
  ASSERT_TRUE(d.ok());
  Value node = (*d)["node"];
  EXPECT_EQ(node["nodeName"].str(), "n1");
  EXPECT_EQ(node["cpu"]["usageNanoCores"].integer(), 250000000);
  EXPECT_EQ(node["cpu"]["usageCoreNanoSeconds"].integer(), 5000000000);
  EXPECT_EQ(node["cpu"]["time"].str(), "2026-01-02T03:04:05Z");
  EXPECT_EQ(node["memory"]["availableBytes"].integer(), 600000);
  EXPECT_EQ(node["network"]["rxBytes"].integer(), 7);
  EXPECT_EQ(node["network"]["interfaces"].item(0)["name"].str(), "eth0");
  EXPECT_EQ(node["fs"]["usedBytes"].integer(), 40000);
  EXPECT_EQ(node["fs"]["inodesUsed"].integer(), 100);
  EXPECT_EQ(node["runtime"]["imageFs"]["usedBytes"].integer(), 12345);
  EXPECT_EQ(node["runtime"]["containerFs"]["usedBytes"].integer(), 4096);
  EXPECT_EQ(node["rlimit"]["curproc"].integer(), 190);
  EXPECT_EQ(node["systemContainers"].item(1)["name"].str(), "pods");
  Value pod = (*d)["pods"].item(0), c = pod["containers"].item(0);
  EXPECT_EQ(pod["podRef"]["uid"].str(), "u1");
  EXPECT_EQ(c["cpu"]["usageNanoCores"].integer(), 1000000000);
  EXPECT_EQ(c["memory"]["availableBytes"].integer(), 3000);
  EXPECT_EQ(c["memory"]["rssBytes"].integer(), 1000);
  EXPECT_EQ(c["swap"]["swapAvailableBytes"].integer(), 20);
  EXPECT_EQ(c["rootfs"]["usedBytes"].integer(), 4096);
  EXPECT_EQ(c["rootfs"]["capacityBytes"].integer(), 100000);
  EXPECT_EQ(c["logs"]["inodesUsed"].integer(), 1);
  EXPECT_EQ(pod["volume"].size(), 2u);
  EXPECT_EQ(pod["volume"].item(0)["usedBytes"].integer(), 100);
  EXPECT_EQ(pod["volume"].item(1)["usedBytes"].integer(), 40000) << "what is in memory is a file system of its own";
  EXPECT_EQ(pod["ephemeral-storage"]["usedBytes"].integer(), 4096 + 1024 + 100) << "layer, log, the volume on disk";
  EXPECT_EQ(pod["process_stats"]["process_count"].integer(), 3);
}

TEST(StatsSummary, of_cpu_and_memory_only_has_no_disks) {
  auto d = Document::parse(stats_summary(some_reading(), {"n1", true}));
  ASSERT_TRUE(d.ok());
  EXPECT_TRUE((*d)["node"].has("cpu"));
  for (const char* key : {"fs", "runtime", "rlimit", "network"}) EXPECT_FALSE((*d)["node"].has(key)) << key;
  for (const char* key : {"volume", "ephemeral-storage", "network", "process_stats"}) EXPECT_FALSE((*d)["pods"].item(0).has(key)) << key;
  EXPECT_FALSE((*d)["pods"].item(0)["containers"].item(0).has("rootfs"));
}

bool has_line(const std::string& text, const std::string& line) { return cat("\n", text).find(cat("\n", line, "\n")) != std::string::npos; }

TEST(ResourceMetrics, have_upstreams_names_labels_and_times) {
  NodeReading r = some_reading();
  MetricText page;
  print_resource_metrics(page, &r);
  const std::string text = page.take();
  for (const char* line : {
           "# HELP node_cpu_usage_seconds_total [STABLE] Cumulative cpu time consumed by the node in core-seconds",
           "# TYPE node_cpu_usage_seconds_total counter",
           "node_cpu_usage_seconds_total 5 1767323045000",
           "node_memory_working_set_bytes 400000 1767323045000",
           "node_swap_usage_bytes 0 1767323045000",
           "container_cpu_usage_seconds_total{container=\"a\",namespace=\"default\",pod=\"web\"} 1.5 1767323045000",
           "container_memory_working_set_bytes{container=\"a\",namespace=\"default\",pod=\"web\"} 2000 1767323045000",
           "container_start_time_seconds{container=\"a\",namespace=\"default\",pod=\"web\"} 1.767322995e+09",
           "container_swap_limit_bytes{container=\"a\",namespace=\"default\",pod=\"web\"} 30 1767323045000",
           "pod_cpu_usage_seconds_total{namespace=\"default\",pod=\"web\"} 2 1767323045000",
           "# HELP scrape_error [ALPHA] (Deprecated since 1.29.0) 1 if there was an error while getting container metrics, 0 otherwise",
           "scrape_error 0",
           "resource_scrape_error 0",
       })
    EXPECT_TRUE(has_line(text, line)) << line << "\nin\n" << text;
  MetricText failed;
  print_resource_metrics(failed, nullptr);
  EXPECT_TRUE(has_line(failed.take(), "resource_scrape_error 1"));
}

TEST(CadvisorMetrics, have_the_names_and_labels_that_dashboards_ask_for) {
  NodeReading r = some_reading();
  MetricText page;
  print_cadvisor_metrics(page, r, {"m", "s", "b", "6.1", "Debian", "0.1.0", 4}, "kubepods");
  const std::string text = page.take();
  const std::string of_a = "container=\"a\",", rest = "id=\"/kubepods/podu1/id1\",image=\"docker.io/library/web:1\",name=\"id1\",namespace=\"default\",pod=\"web\"";
  for (const std::string& line : {
           cat("container_cpu_usage_seconds_total{container=\"a\",cpu=\"total\",", rest, "} 1.5 1767323045000"),
           cat("container_memory_working_set_bytes{", of_a, rest, "} 2000 1767323045000"),
           cat("container_memory_rss{", of_a, rest, "} 1000 1767323045000"),
           cat("container_spec_memory_limit_bytes{", of_a, rest, "} 5000 1767323045000"),
           cat("container_memory_swap{", of_a, rest, "} 10 1767323045000"),
           std::string("container_network_receive_bytes_total{container=\"\",id=\"/kubepods/podu1\",image=\"\",interface=\"eth0\",name=\"\",namespace=\"default\",pod=\"web\"} 7 1767323045000"),
           std::string("container_cpu_usage_seconds_total{container=\"\",cpu=\"total\",id=\"/\",image=\"\",name=\"\",namespace=\"\",pod=\"\"} 5 1767323045000"),
           std::string("machine_cpu_cores{boot_id=\"b\",machine_id=\"m\",system_uuid=\"s\"} 4"),
           std::string("machine_memory_bytes{boot_id=\"b\",machine_id=\"m\",system_uuid=\"s\"} 1e+06"),
           std::string("container_scrape_error 0"),
       })
    EXPECT_TRUE(has_line(text, line)) << line;
  EXPECT_NE(text.find(cat("container_fs_usage_bytes{", of_a, "device=\"")), std::string::npos);
}

TEST(ProbeMetrics, count_results_by_container) {
  ProbeCounts counts;
  counts.note({"default", "web", "u1", "a"}, "Readiness", "successful", 2000);
  counts.note({"default", "web", "u1", "a"}, "Readiness", "successful", 2000);
  MetricText page;
  counts.print(page);
  EXPECT_TRUE(has_line(page.take(), "prober_probe_total{container=\"a\",namespace=\"default\",pod=\"web\",pod_uid=\"u1\",probe_type=\"Readiness\",result=\"successful\"} 2"));
  counts.forget_pod("u1");
  MetricText after;
  counts.print(after);
  EXPECT_EQ(after.take(), "");
}

TEST(KubeletPort, asks_for_the_subresource_that_a_path_stands_for) {
  struct Case {
    const char* path;
    std::vector<std::string> want;
  };
  for (const Case& c : {Case{"/stats/summary", {"stats"}}, Case{"/stats", {"stats"}}, Case{"/statsx", {"proxy"}}, Case{"/metrics", {"metrics"}}, Case{"/metrics/cadvisor", {"metrics"}},
                        Case{"/logs/x", {"log"}}, Case{"/pods", {"pods", "proxy"}}, Case{"/healthz", {"healthz", "proxy"}}, Case{"/exec/a/b/c", {"proxy"}}, Case{"/", {"proxy"}}})
    EXPECT_EQ(node_subresources(c.path), c.want) << c.path;
}

}  // namespace
}  // namespace bramble

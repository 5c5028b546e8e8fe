// The pages /metrics/resource and /metrics/cadvisor: one reading of the node under upstream's names. Pure but for the names of
// block devices, which are looked up under /sys.
#pragma once

#include <string>

#include "core/kubelet/node_usage.h"
#include "core/base/metrics.h"

namespace bramble {

// Null: nothing could be read.
void print_resource_metrics(MetricText& out, const NodeReading* reading);

struct MachineNames {
  std::string machine_id, system_uuid, boot_id, kernel_version, os_image, version;
  int cpus = 0;
};
void print_cadvisor_metrics(MetricText& out, const NodeReading& reading, const MachineNames& machine, const std::string& cgroup_root);

}  // namespace bramble

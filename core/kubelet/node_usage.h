// NodeUsage: what this node, its pods and their containers use, read from the kernel when somebody asks: no timer runs while
// nobody does. One reading at a time; those who ask meanwhile, or within kUsageReuseUs, get the same one. Files are read by
// offloaded work over plain values. CPU rates come from the readings of earlier questions (cpu_rates.h). Bytes below folders are
// kept for kDiskScanReuseUs and counted within kDiskScanMs a question, the longest unseen first.
// Loop thread. Nothing survives a restart: the first question after one takes kUsageSecondLookMs.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/kubelet/cpu_rates.h"
#include "core/kubelet/node_parts.h"
#include "core/runtime/disk_usage.h"
#include "core/runtime/machine_usage.h"

namespace bramble {

// A folder, the file system it is on, and what lies below it when that was last counted.
struct FolderReading {
  std::string path;
  std::optional<FileSystemUsage> file_system;
  std::optional<DiskScan> scan;
};

struct ContainerReading {
  std::string name, id, image, cgroup;
  int attempt = 0;
  int64_t started_us = 0;  // wall time
  CgroupUsage usage;
  std::optional<CpuRate> rate;
  FolderReading layer, logs;
};

struct VolumeReading {
  std::string name, claim;  // claim: of a PersistentVolumeClaim, else ""
  bool in_pod = false;      // counts as the pod's ephemeral storage
  FolderReading folder;
};

struct PodReading {
  std::string ns, name, uid, cgroup;
  int64_t started_us = 0;
  bool host_network = false;
  int pid = 0;  // of a container: whose links they are
  CgroupUsage usage;
  std::optional<CpuRate> rate;
  std::vector<LinkCount> links;
  std::vector<ContainerReading> containers;
  std::vector<VolumeReading> volumes;
};

struct NodeReading {
  bool all_counters = false, disks = false;  // what was asked for
  int64_t wall_us = 0, monotonic_us = 0;
  MachineUsage machine;
  CgroupUsage root, pods_group;
  std::optional<CpuRate> rate, pods_rate;
  uint64_t own_cpu_ns = 0, own_rss_bytes = 0;  // of this process
  std::vector<PodReading> pods;
  FolderReading node_disk, image_disk;
  uint64_t image_bytes = 0;
};
using NodeReadingRef = std::shared_ptr<const NodeReading>;

class NodeUsage {
 public:
  struct Wanted {
    bool all_counters = false, disks = false, rates = false;
  };
  // pods: who is there now, with their paths and without counts; called on the loop.
  NodeUsage(NodeParts& parts, std::function<std::vector<PodReading>()> pods) : parts_(parts), pods_(std::move(pods)) {}
  Task<NodeReadingRef> read(Wanted wanted);

 private:
  struct Scanned {
    DiskScan scan;
    int64_t at_us = 0;
  };
  using Scans = std::map<std::string, Scanned>;
  struct Work {
    NodeReading reading;
    Scans scans;
  };
  static Work carry_out(Work work, const Cgroups* cgroups, ImageStore* images, const std::string& cgroup_root, const Clock* clock);
  static void scan_folders(Work& work);
  Task<void> run(Wanted wanted);
  Task<NodeReadingRef> look(Wanted wanted, int64_t age_min_us);
  void add_rates(NodeReading& reading, int64_t age_min_us);

  NodeParts& parts_;
  std::function<std::vector<PodReading>()> pods_;
  CpuRates rates_;
  Scans scans_;
  NodeReadingRef last_;
  bool busy_ = false;
  Event over_;
  TaskGroup tasks_;
};

// Fills in what the files say; disks aside. Blocking. For tests as well.
void read_counts(NodeReading& reading, const Cgroups& cgroups, const std::string& cgroup_root);

}  // namespace bramble

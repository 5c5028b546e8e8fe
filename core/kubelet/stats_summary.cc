#include "core/kubelet/stats_summary.h"

#include <set>

#include "core/json/builder.h"

namespace bramble {

namespace {

// Of what upstream calls the default interface.
constexpr std::string_view kDefaultLink = "eth0";

void put(Mut out, std::string_view key, Count n) {
  if (n) out.set(key, static_cast<int64_t>(*n));
}

class SummaryWriter {
 public:
  SummaryWriter(const NodeReading& reading, const SummaryOptions& options) : r_(reading), options_(options), now_(format_rfc3339(reading.wall_us)) {}

  std::string write() {
    Builder b;
    write_node(b.root().object("node"));
    Mut pods = b.root().array("pods");
    for (const PodReading& pod : r_.pods) write_pod(pods.append_object(), pod);
    return b.dump();
  }

 private:
  void cpu(Mut owner, Count total_ns, const std::optional<CpuRate>& rate) {
    if (!total_ns) return;
    Mut out = owner.object("cpu");
    out.set("time", now_);
    if (rate) out.set("usageNanoCores", static_cast<int64_t>(rate->nano_cores));
    put(out, "usageCoreNanoSeconds", total_ns);
  }

  void memory(Mut owner, const CgroupUsage& u) {
    if (!u.memory_bytes) return;
    Mut out = owner.object("memory");
    out.set("time", now_);
    if (u.memory_limit_bytes && u.working_set_bytes) {
      out.set("availableBytes", static_cast<int64_t>(*u.memory_limit_bytes - std::min(*u.memory_limit_bytes, *u.working_set_bytes)));
    }
    put(out, "usageBytes", u.memory_bytes);
    put(out, "workingSetBytes", u.working_set_bytes);
    put(out, "rssBytes", u.rss_bytes);
    put(out, "pageFaults", u.page_faults);
    put(out, "majorPageFaults", u.major_page_faults);
  }

  void swap(Mut owner, const CgroupUsage& u) {
    if (!u.swap_bytes) return;
    Mut out = owner.object("swap");
    out.set("time", now_);
    if (u.swap_limit_bytes) out.set("swapAvailableBytes", static_cast<int64_t>(*u.swap_limit_bytes - std::min(*u.swap_limit_bytes, *u.swap_bytes)));
    put(out, "swapUsageBytes", u.swap_bytes);
  }

  void pressure(Mut owner, std::string_view key, const std::optional<Pressure>& p) {
    if (!p) return;
    Mut psi = owner.object(key).object("psi");
    auto line = [&psi](std::string_view name, Count total, double a10, double a60, double a300) {
      Mut out = psi.object(name);
      out.set("total", static_cast<int64_t>(total.value_or(0)));  // upstream hands on the kernel's microseconds
      out.set_number("avg10", a10);
      out.set_number("avg60", a60);
      out.set_number("avg300", a300);
    };
    line("full", p->full_us, p->full_avg10, p->full_avg60, p->full_avg300);
    line("some", p->some_us, p->some_avg10, p->some_avg60, p->some_avg300);
  }

  void usage(Mut owner, const CgroupUsage& u, const std::optional<CpuRate>& rate) {
    cpu(owner, u.cpu_ns, rate);
    if (owner.has("cpu")) pressure(owner, "cpu", u.cpu_pressure);
    memory(owner, u);
    if (owner.has("memory")) pressure(owner, "memory", u.memory_pressure);
    if (u.io_pressure) {
      owner.object("io").set("time", now_);
      pressure(owner, "io", u.io_pressure);
    }
    swap(owner, u);
  }

  void link(Mut out, const LinkCount& l) {
    out.set("name", l.name);
    out.set("rxBytes", static_cast<int64_t>(l.rx_bytes));
    out.set("rxErrors", static_cast<int64_t>(l.rx_errors));
    out.set("txBytes", static_cast<int64_t>(l.tx_bytes));
    out.set("txErrors", static_cast<int64_t>(l.tx_errors));
  }

  void network(Mut owner, const std::vector<LinkCount>& links) {
    if (links.empty()) return;
    Mut out = owner.object("network");
    out.set("time", now_);
    bool has_default = false;
    for (const LinkCount& l : links) {
      if (l.name == kDefaultLink) link(out, l), has_default = true;
    }
    if (!has_default) out.set("name", "");
    Mut list = out.array("interfaces");
    for (const LinkCount& l : links) link(list.append_object(), l);
  }

  void file_system(Mut out, const FolderReading& f) {
    out.set("time", now_);
    if (!f.file_system) return;
    const FileSystemUsage& fs = *f.file_system;
    out.set("availableBytes", static_cast<int64_t>(fs.available_bytes));
    out.set("capacityBytes", static_cast<int64_t>(fs.capacity_bytes));
    const bool own = fs.in_memory;
    if (own) out.set("usedBytes", static_cast<int64_t>(fs.used_bytes));
    else if (f.scan) out.set("usedBytes", static_cast<int64_t>(f.scan->bytes));
    out.set("inodesFree", static_cast<int64_t>(fs.inodes_free));
    out.set("inodes", static_cast<int64_t>(fs.inodes));
    if (own) out.set("inodesUsed", static_cast<int64_t>(fs.inodes - std::min(fs.inodes, fs.inodes_free)));
    else if (f.scan) out.set("inodesUsed", static_cast<int64_t>(f.scan->inodes));
  }

  // Of a whole file system.
  void disk(Mut out, const FolderReading& f, Count used_bytes) {
    file_system(out, f);
    if (!f.file_system) return;
    out.set("usedBytes", static_cast<int64_t>(used_bytes.value_or(f.file_system->used_bytes)));
    out.set("inodesUsed", static_cast<int64_t>(f.file_system->inodes - std::min(f.file_system->inodes, f.file_system->inodes_free)));
  }

  void write_node(Mut node) {
    node.set("nodeName", options_.node_name);
    Mut systems = node.array("systemContainers");
    Mut own = systems.append_object();
    own.set("name", "kubelet");
    own.set("startTime", format_rfc3339(r_.machine.boot_us));
    CgroupUsage process;
    process.cpu_ns = r_.own_cpu_ns;
    process.memory_bytes = process.working_set_bytes = process.rss_bytes = r_.own_rss_bytes;
    usage(own, process, std::nullopt);
    Mut pods = systems.append_object();
    pods.set("name", "pods");
    pods.set("startTime", format_rfc3339(r_.machine.boot_us));
    usage(pods, r_.pods_group, r_.pods_rate);
    node.set("startTime", format_rfc3339(r_.machine.boot_us));
    CgroupUsage whole = r_.root;
    whole.cpu_pressure = r_.machine.cpu_pressure;
    whole.memory_pressure = r_.machine.memory_pressure;
    whole.io_pressure = r_.machine.io_pressure;
    usage(node, whole, r_.rate);
    if (options_.cpu_and_memory_only) return;
    network(node, r_.machine.links);
    disk(node.object("fs"), r_.node_disk, std::nullopt);
    Mut runtime = node.object("runtime");
    disk(runtime.object("imageFs"), r_.image_disk, r_.image_bytes);
    file_system(runtime.object("containerFs"), r_.image_disk);
    uint64_t layers = 0, inodes = 0;
    for (const PodReading& pod : r_.pods) {
      for (const ContainerReading& c : pod.containers) {
        layers += c.layer.scan ? c.layer.scan->bytes : 0;
        inodes += c.layer.scan ? c.layer.scan->inodes : 0;
      }
    }
    runtime.object("containerFs").set("usedBytes", static_cast<int64_t>(layers));
    runtime.object("containerFs").set("inodesUsed", static_cast<int64_t>(inodes));
    if (!r_.machine.threads && !r_.machine.threads_max) return;
    Mut limit = node.object("rlimit");
    limit.set("time", now_);
    put(limit, "maxpid", r_.machine.threads_max);
    put(limit, "curproc", r_.machine.threads);
  }

  void write_pod(Mut out, const PodReading& pod) {
    Mut ref = out.object("podRef");
    ref.set("name", pod.name);
    ref.set("namespace", pod.ns);
    ref.set("uid", pod.uid);
    out.set("startTime", format_rfc3339(pod.started_us));
    Mut containers = out.array("containers");
    for (const ContainerReading& c : pod.containers) {
      Mut container = containers.append_object();
      container.set("name", c.name);
      container.set("startTime", format_rfc3339(c.started_us));
      usage(container, c.usage, c.rate);
      if (options_.cpu_and_memory_only) continue;
      if (c.layer.file_system) file_system(container.object("rootfs"), c.layer);
      if (c.logs.file_system) file_system(container.object("logs"), c.logs);
    }
    usage(out, pod.usage, pod.rate);
    if (options_.cpu_and_memory_only) return;
    network(out, pod.links);
    if (!pod.volumes.empty()) {
      Mut volumes = out.array("volume");
      for (const VolumeReading& v : pod.volumes) {
        if (!v.folder.file_system) continue;
        Mut volume = volumes.append_object();
        file_system(volume, v.folder);
        volume.set("name", v.name);
        if (v.claim.empty()) continue;
        volume.object("pvcRef").set("name", v.claim);
        volume.object("pvcRef").set("namespace", pod.ns);
      }
    }
    ephemeral(out, pod);
    if (pod.usage.processes) put(out.object("process_stats"), "process_count", pod.usage.processes);
  }

  // Layers, logs, and volumes on the node's disk, together.
  void ephemeral(Mut out, const PodReading& pod) {
    uint64_t bytes = 0, inodes = 0;
    bool any = false;
    auto add = [&](const FolderReading& f) {
      if (!f.scan || (f.file_system && f.file_system->in_memory)) return;
      bytes += f.scan->bytes;
      inodes += f.scan->inodes;
      any = true;
    };
    for (const ContainerReading& c : pod.containers) {
      add(c.layer);
      add(c.logs);
    }
    for (const VolumeReading& v : pod.volumes) {
      if (v.in_pod) add(v.folder);
    }
    if (!any || !r_.node_disk.file_system) return;
    Mut storage = out.object("ephemeral-storage");
    file_system(storage, r_.node_disk);
    storage.set("usedBytes", static_cast<int64_t>(bytes));
    storage.set("inodesUsed", static_cast<int64_t>(inodes));
  }

  const NodeReading& r_;
  const SummaryOptions& options_;
  std::string now_;
};

}  // namespace

std::string stats_summary(const NodeReading& reading, const SummaryOptions& options) { return SummaryWriter(reading, options).write(); }

}  // namespace bramble

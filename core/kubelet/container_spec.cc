#include "core/kubelet/container_spec.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <filesystem>

#include "core/kubelet/container_security.h"
#include "core/kubelet/expansion.h"
#include "core/kubelet/pod_resize.h"
#include "core/resources/pod_view.h"

namespace bramble {

namespace {

std::optional<Quantity> quantity(Value v) {
  if (!v) return std::nullopt;
  auto q = Quantity::parse(v.str());
  return q.ok() ? std::optional<Quantity>(*q) : std::nullopt;
}

std::vector<std::string> strings(Value list) {
  std::vector<std::string> out;
  for (Value v : list.items()) out.push_back(v.text());
  return out;
}

void add_command(const ContainerPlan& p, OciProcess& process) {
  auto known = [&p](std::string_view name) -> std::optional<std::string> {
    auto it = p.env.find(name);
    return it == p.env.end() ? std::nullopt : std::optional<std::string>(it->second);
  };
  std::vector<std::string> command = strings(p.container["command"]), args = strings(p.container["args"]);
  for (auto* list : {&command, &args})
    for (auto& s : *list) s = expand_references(s, known);
  if (command.empty()) {
    process.args = p.image->entrypoint;
    if (args.empty()) args = p.image->cmd;
  } else {
    process.args = command;
  }
  process.args.insert(process.args.end(), args.begin(), args.end());
}

// "2Mi" as the kernel's cgroup files have it: "2MB".
std::string hugepage_name(std::string_view size) {
  auto q = Quantity::parse(size);
  if (!q.ok()) return std::string(size);
  int64_t bytes = q->value();
  if (bytes >= 1 << 30) return cat(bytes >> 30, "GB");
  return bytes >= 1 << 20 ? cat(bytes >> 20, "MB") : cat(bytes >> 10, "KB");
}

int64_t memory_request_of(Value container) {
  auto request = quantity(container["resources"]["requests"]["memory"]);
  if (!request) request = quantity(container["resources"]["limits"]["memory"]);
  return request ? request->value() : 0;
}

// A sidecar outlives what it serves: it counts as asking for as much as the least of the pod's other containers.
int oom_score_of(const ContainerPlan& p) {
  if (p.pod["spec"]["priorityClassName"].str() == "system-node-critical") return oom_score_adjust("Guaranteed", 0, p.node_memory_bytes);
  int64_t request = memory_request_of(p.container);
  bool sidecar = false;
  for (Value c : p.pod["spec"]["initContainers"].items()) sidecar = sidecar || (c["name"].str() == p.container["name"].str() && c["restartPolicy"].str() == "Always");
  if (sidecar) {
    std::optional<int64_t> least;
    for (Value c : p.pod["spec"]["containers"].items())
      if (int64_t other = memory_request_of(c); !least || other < *least) least = other;
    request = std::max(request, least.value_or(0));
  }
  return oom_score_adjust(qos_name(PodView(p.pod).qos()), request, p.node_memory_bytes);
}

void add_resources(const ContainerPlan& p, ContainerSpec& spec) {
  PodCgroupLimits limits = container_limits(cpu_memory(p.pod["spec"]["resources"], p.container["resources"]));
  spec.resources.cpu_shares = limits.cpu_shares;
  spec.resources.cpu_quota_us = limits.cpu_quota_us;
  spec.resources.memory_bytes = limits.memory_bytes;
  if (p.hugetlb)
    for (auto [name, amount] : p.container["resources"]["limits"].members())
      if (auto bytes = quantity(amount); bytes && name.starts_with("hugepages-")) spec.resources.hugepage_bytes[hugepage_name(name.substr(10))] = bytes->value();
  if (p.counts_swap) spec.resources.swap_bytes = swap_limit(p);
  int adjust = oom_score_of(p);
  if (adjust < 0 && !p.may_lower_oom_score) adjust = 0;
  spec.process.oom_score_adj = adjust;
}

}  // namespace

// Burstable pods that ask for some memory, but may have more: of swap the same share as of memory. In cgroup version 1 nobody:
// there a limit of swap needs one of memory.
int64_t swap_limit(const ContainerPlan& p) {
  PodView pod(p.pod);
  if (p.swap == SwapBehavior::kNone || !p.cgroup_v2 || is_critical(pod) || pod.qos() != QosClass::kBurstable) return 0;
  auto request = quantity(p.container["resources"]["requests"]["memory"]), limit = quantity(p.container["resources"]["limits"]["memory"]);
  const int64_t requested = request ? request->value() : 0, limited = limit ? limit->value() : 0;
  if (requested == limited || p.node_memory_bytes <= 0 || requested > p.node_memory_bytes) return 0;  // both 0, too: it asks for none
  return static_cast<int64_t>(static_cast<double>(requested) / static_cast<double>(p.node_memory_bytes) * static_cast<double>(p.node_swap_bytes));
}

namespace {

void add_host_devices(ContainerSpec& spec) {
  std::error_code ec;
  namespace fs = std::filesystem;
  for (fs::recursive_directory_iterator it("/dev", fs::directory_options::skip_permission_denied, ec), end; !ec && it != end; it.increment(ec)) {
    std::string path = it->path().string();
    if (path == "/dev/pts" || path == "/dev/shm" || path == "/dev/mqueue" || path == "/dev/fd") {
      it.disable_recursion_pending();
      continue;
    }
    struct stat s;
    if (lstat(path.c_str(), &s) != 0 || !(S_ISCHR(s.st_mode) || S_ISBLK(s.st_mode)) || path == "/dev/console") continue;
    spec.devices.push_back({path, S_ISCHR(s.st_mode) ? 'c' : 'b', static_cast<int64_t>(major(s.st_rdev)), static_cast<int64_t>(minor(s.st_rdev)), s.st_mode & 0777, s.st_uid, s.st_gid});
  }
}

void add_namespaces(const ContainerPlan& p, ContainerSpec& spec) {
  Value s = p.pod["spec"];
  std::string ns = cat(p.pod_run_dir, "/ns/");
  spec.namespaces["mount"] = "";
  spec.host_network = s["hostNetwork"].boolean();
  if (!spec.host_network) {
    spec.namespaces["network"] = ns + "net";
    spec.namespaces["uts"] = ns + "uts";
  }
  if (!s["hostIPC"].boolean()) spec.namespaces["ipc"] = ns + "ipc";
  if (!s["hostPID"].boolean()) spec.namespaces["pid"] = p.pid_namespace;
  if (p.cgroup_v2) spec.namespaces["cgroup"] = "";
  spec.shm_source = s["hostIPC"].boolean() ? "/dev/shm" : cat(p.pod_run_dir, "/shm");
}

void add_mounts(const ContainerPlan& p, ContainerSpec& spec) {
  auto mounted = [&p](std::string_view path) {
    return std::any_of(p.volume_mounts.begin(), p.volume_mounts.end(), [&](const OciMount& m) { return m.destination == path; });
  };
  const char* mode = spec.readonly_root ? "ro" : "rw";
  auto file = [&](const std::string& source, std::string destination, const char* how) {
    if (!source.empty() && !mounted(destination)) spec.mounts.push_back({std::move(destination), "bind", source, {"rbind", "rprivate", how}});
  };
  file(p.hosts_path, "/etc/hosts", mode);
  file(p.hostname_path, "/etc/hostname", mode);
  file(p.resolv_path, "/etc/resolv.conf", mode);
  file(p.message_path, p.container["terminationMessagePath"].text("/dev/termination-log"), "rw");
  spec.mounts.insert(spec.mounts.end(), p.volume_mounts.begin(), p.volume_mounts.end());
}

}  // namespace

int oom_score_adjust(std::string_view qos, int64_t memory_request, int64_t node_memory) {
  if (qos == "Guaranteed") return -997;
  if (qos == "BestEffort" || node_memory <= 0) return 1000;
  int64_t adjust = 1000 - static_cast<int64_t>(1000.0 * static_cast<double>(memory_request) / static_cast<double>(node_memory));
  return static_cast<int>(std::clamp<int64_t>(adjust, 3, 999));
}

uint64_t cpu_shares_of_milli(int64_t milli) { return static_cast<uint64_t>(std::clamp<int64_t>(milli * 1024 / 1000, 2, 262144)); }

int64_t cpu_quota_of_milli(int64_t milli, int64_t period_us) { return std::max<int64_t>(1000, milli * period_us / 1000); }

int signal_number(std::string_view text) {
  if (auto n = parse_int64(text); n && *n > 0 && *n < 65) return static_cast<int>(*n);
  std::string name(text.starts_with("SIG") ? text.substr(3) : text);
  for (int i = 1; i < 32; ++i)
    if (const char* known = sigabbrev_np(i); known && name == known) return i;
  if (name.starts_with("RTMIN+"))
    if (auto n = parse_int64(name.substr(6))) return static_cast<int>(34 + *n);
  return SIGTERM;
}

Result<ContainerSpec> container_spec(const ContainerPlan& p) {
  ContainerSpec spec;
  std::string home;
  TRY(add_security(p, spec, &home));
  add_command(p, spec.process);
  if (spec.process.args.empty()) return Error(Code::kNotFound, "no command specified");
  spec.process.terminal = p.container["tty"].boolean();
  spec.process.cwd = p.container["workingDir"].text(p.image->working_dir);
  Environment env = p.env;
  auto unless_said = [&](std::string_view name, const std::string& value) {
    for (const auto& line : p.image->env)
      if (line.starts_with(cat(name, "="))) return;
    env.try_emplace(std::string(name), value);
  };
  unless_said("HOSTNAME", p.hostname);
  if (spec.process.terminal) unless_said("TERM", "xterm");
  unless_said("HOME", home);
  spec.process.env = merge_environment(p.image->env, env);

  spec.rootfs = p.rootfs;
  spec.cgroups_path = p.cgroups_path;
  spec.cgroup_v2 = p.cgroup_v2;
  add_resources(p, spec);
  add_namespaces(p, spec);
  if (spec.privileged) spec.namespaces.erase("cgroup");
  add_mounts(p, spec);
  for (const auto& m : spec.mounts)
    if (std::find(m.options.begin(), m.options.end(), "rshared") != m.options.end()) spec.root_propagation = "rshared";
  if (spec.privileged) add_host_devices(spec);
  spec.annotations["io.kubernetes.pod.name"] = meta(p.pod, "name");
  spec.annotations["io.kubernetes.pod.namespace"] = meta(p.pod, "namespace");
  spec.annotations["io.kubernetes.pod.uid"] = meta(p.pod, "uid");
  spec.annotations["io.kubernetes.container.name"] = p.container["name"].text();
  return spec;
}

}  // namespace bramble

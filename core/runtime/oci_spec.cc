#include "core/runtime/oci_spec.h"

#include <algorithm>

#include "core/base/files.h"

namespace bramble {

namespace {

constexpr const char* kDefaultCapabilities[] = {"CAP_CHOWN",  "CAP_DAC_OVERRIDE", "CAP_FSETID",  "CAP_FOWNER",           "CAP_MKNOD",
                                                "CAP_NET_RAW", "CAP_SETGID",       "CAP_SETUID",  "CAP_SETFCAP",          "CAP_SETPCAP",
                                                "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE"};
// By number (capability.h); those that this process does not hold are left out by all_capabilities().
constexpr const char* kCapabilities[] = {
    "CAP_CHOWN",          "CAP_DAC_OVERRIDE",  "CAP_DAC_READ_SEARCH",  "CAP_FOWNER",     "CAP_FSETID",        "CAP_KILL",
    "CAP_SETGID",         "CAP_SETUID",        "CAP_SETPCAP",          "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",      "CAP_NET_RAW",       "CAP_IPC_LOCK",         "CAP_IPC_OWNER",  "CAP_SYS_MODULE",    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",     "CAP_SYS_PTRACE",    "CAP_SYS_PACCT",        "CAP_SYS_ADMIN",  "CAP_SYS_BOOT",      "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",   "CAP_SYS_TIME",      "CAP_SYS_TTY_CONFIG",   "CAP_MKNOD",      "CAP_LEASE",         "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",  "CAP_SETFCAP",       "CAP_MAC_OVERRIDE",     "CAP_MAC_ADMIN",  "CAP_SYSLOG",        "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",  "CAP_AUDIT_READ",    "CAP_PERFMON",          "CAP_BPF",        "CAP_CHECKPOINT_RESTORE"};
constexpr const char* kMasked[] = {"/proc/acpi",       "/proc/asound",      "/proc/interrupts",  "/proc/kcore", "/proc/keys",
                                   "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
                                   "/proc/scsi",       "/sys/firmware",     "/sys/devices/virtual/powercap"};
constexpr const char* kReadonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

// What the processors tell of their heat, which gives away what others compute. Of a machine that runs, these do not change.
const std::vector<std::string>& throttle_paths() {
  static const std::vector<std::string> paths = [] {
    std::vector<std::string> out;
    for (int i = 0; path_exists(cat("/sys/devices/system/cpu/cpu", i)); ++i)
      if (std::string p = cat("/sys/devices/system/cpu/cpu", i, "/thermal_throttle"); path_exists(p)) out.push_back(p);
    return out;
  }();
  return paths;
}

void strings(Mut array, const std::vector<std::string>& values) {
  for (const auto& v : values) array.append(v);
}

// A default mount stands back for one that the container brings along, and all below /dev for a /dev of its own.
bool stands_back(const ContainerSpec& spec, std::string_view destination) {
  auto given = [&](std::string_view path) {
    return std::any_of(spec.mounts.begin(), spec.mounts.end(), [&](const OciMount& m) { return m.destination == path; });
  };
  return given(destination) || (destination.starts_with("/dev/") && given("/dev"));
}

void add_mount(Mut mounts, const OciMount& m) {
  Mut out = mounts.append_object();
  out.set("destination", m.destination);
  out.set("type", m.type);
  out.set("source", m.source);
  strings(out.array("options"), m.options);
}

void add_process(Mut p, const OciProcess& process) {
  p.set("terminal", process.terminal);
  Mut user = p.object("user");
  user.set("uid", static_cast<int64_t>(process.user.uid));
  user.set("gid", static_cast<int64_t>(process.user.gid));
  if (!process.user.additional_gids.empty()) {
    Mut gids = user.array("additionalGids");
    for (uint32_t g : process.user.additional_gids) gids.append(static_cast<int64_t>(g));
  }
  strings(p.array("args"), process.args);
  strings(p.array("env"), process.env);
  p.set("cwd", process.cwd.empty() ? "/" : process.cwd);
  Mut caps = p.object("capabilities");
  for (const char* set : {"bounding", "effective", "permitted"}) strings(caps.array(set), process.capabilities);
  p.set("noNewPrivileges", process.no_new_privileges);
  if (!process.apparmor_profile.empty()) p.set("apparmorProfile", process.apparmor_profile);
  if (!process.selinux_label.empty()) p.set("selinuxLabel", process.selinux_label);
  if (process.oom_score_adj) p.set("oomScoreAdj", static_cast<int64_t>(*process.oom_score_adj));
  if (!process.rlimits.empty()) {
    Mut rlimits = p.array("rlimits");
    for (const auto& r : process.rlimits) {
      Mut out = rlimits.append_object();
      out.set("type", r.type);
      out.set("hard", static_cast<int64_t>(r.hard));
      out.set("soft", static_cast<int64_t>(r.soft));
    }
  }
}

void add_default_mounts(Mut mounts, const ContainerSpec& spec) {
  const char* sys_mode = spec.privileged ? "rw" : "ro";
  auto add = [&](const OciMount& m) {
    if (!stands_back(spec, m.destination)) add_mount(mounts, m);
  };
  add({"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}});
  add({"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}});
  add({"/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}});
  add({"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}});
  add({"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", sys_mode}});
  add({"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", sys_mode}});
  if (spec.shm_source.empty()) add({"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}});
  else add({"/dev/shm", "bind", spec.shm_source, {"rbind", "rw", "nosuid", "noexec", "nodev"}});
}

void add_resources(Mut linux_part, const ContainerSpec& spec) {
  const OciResources& r = spec.resources;
  Mut out = linux_part.object("resources");
  Mut rule = out.array("devices").append_object();
  rule.set("allow", spec.privileged);
  rule.set("access", "rwm");
  for (const auto& d : spec.devices) {
    Mut allow = out.array("devices").append_object();
    allow.set("allow", true);
    allow.set("type", std::string(1, d.type));
    allow.set("major", d.major);
    allow.set("minor", d.minor);
    allow.set("access", "rwm");
  }
  Mut cpu = out.object("cpu");
  if (r.cpu_shares) cpu.set("shares", static_cast<int64_t>(*r.cpu_shares));
  if (r.cpu_quota_us) {
    cpu.set("quota", *r.cpu_quota_us);
    cpu.set("period", static_cast<int64_t>(r.cpu_period_us));
  }
  if (r.memory_bytes) {
    out.object("memory").set("limit", *r.memory_bytes);
    // Version 2 kills all of a container when one of its processes is out of memory, as the kubelet asks for.
    if (spec.cgroup_v2) out.object("unified").set("memory.oom.group", "1");
  }
  if (r.swap_bytes && spec.cgroup_v2) out.object("unified").set("memory.swap.max", cat(*r.swap_bytes));
  else if (r.swap_bytes && r.memory_bytes) out.object("memory").set("swap", *r.memory_bytes + *r.swap_bytes);
  if (r.pids) out.object("pids").set("limit", *r.pids);
  for (const auto& [size, bytes] : r.hugepage_bytes) {
    Mut limit = out.array("hugepageLimits").append_object();
    limit.set("pageSize", size);
    limit.set("limit", bytes);
  }
}

}  // namespace

Document oci_process(const OciProcess& process) {
  Builder b;
  add_process(b.root(), process);
  return b.finish();
}

Document oci_config(const ContainerSpec& spec) {
  Builder b;
  Mut root = b.root();
  root.set("ociVersion", "1.0.2");
  add_process(root.object("process"), spec.process);
  Mut rootfs = root.object("root");
  rootfs.set("path", spec.rootfs);
  rootfs.set("readonly", spec.readonly_root);
  Mut mounts = root.array("mounts");
  add_default_mounts(mounts, spec);
  for (const auto& m : spec.mounts) add_mount(mounts, m);
  Mut annotations = root.object("annotations");
  for (const auto& [key, value] : spec.annotations) annotations.set(key, value);
  Mut linux_part = root.object("linux");
  Mut namespaces = linux_part.array("namespaces");
  for (const auto& [type, path] : spec.namespaces) {
    Mut n = namespaces.append_object();
    n.set("type", type);
    if (!path.empty()) n.set("path", path);
  }
  linux_part.set("cgroupsPath", spec.cgroups_path);
  add_resources(linux_part, spec);
  if (!spec.devices.empty()) {
    Mut devices = linux_part.array("devices");
    for (const auto& d : spec.devices) {
      Mut out = devices.append_object();
      out.set("path", d.path);
      out.set("type", std::string(1, d.type));
      out.set("major", d.major);
      out.set("minor", d.minor);
      out.set("fileMode", static_cast<int64_t>(d.mode));
      out.set("uid", static_cast<int64_t>(d.uid));
      out.set("gid", static_cast<int64_t>(d.gid));
    }
  }
  if (!spec.privileged && !spec.unmasked) {
    Mut masked = linux_part.array("maskedPaths");
    for (const char* p : kMasked) masked.append(p);
    for (const auto& p : throttle_paths()) masked.append(p);
    Mut readonly = linux_part.array("readonlyPaths");
    for (const char* p : kReadonly) readonly.append(p);
  }
  if (!spec.sysctls.empty()) {
    Mut sysctl = linux_part.object("sysctl");
    for (const auto& [key, value] : spec.sysctls) sysctl.set(key, value);
  }
  if (spec.seccomp) linux_part.set("seccomp", spec.seccomp.root());
  if (!spec.selinux_mount_label.empty()) linux_part.set("mountLabel", spec.selinux_mount_label);
  linux_part.set("rootfsPropagation", spec.root_propagation);
  return b.finish();
}

std::vector<std::string> default_capabilities() { return {std::begin(kDefaultCapabilities), std::end(kDefaultCapabilities)}; }

std::vector<std::string> all_capabilities() {
  static const uint64_t held = [] {
    std::string text = read_file_start("/proc/self/status");
    auto at = text.find("CapEff:\t");
    return at == text.npos ? ~0ull : strtoull(text.substr(at + 8, 16).c_str(), nullptr, 16);
  }();
  std::vector<std::string> out;
  for (size_t i = 0; i < std::size(kCapabilities); ++i)
    if (held >> i & 1) out.push_back(kCapabilities[i]);
  return out;
}

std::vector<std::string> adjust_capabilities(std::vector<std::string> base, const std::vector<std::string>& add, const std::vector<std::string>& drop) {
  auto full_name = [](std::string_view name) {
    std::string upper;
    for (char c : name) upper += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    return upper.starts_with("CAP_") ? upper : cat("CAP_", upper);
  };
  auto has_all = [](const std::vector<std::string>& v) {
    return std::any_of(v.begin(), v.end(), [](const std::string& s) { return equals_ignore_case(s, "ALL"); });
  };
  // Adding everything comes first and dropping everything after it, so that single names beside "ALL" are exceptions.
  if (has_all(add)) base = all_capabilities();
  if (has_all(drop)) base.clear();
  for (const auto& name : add) {
    if (equals_ignore_case(name, "ALL")) continue;
    std::string cap = full_name(name);
    if (std::find(base.begin(), base.end(), cap) == base.end()) base.push_back(cap);
  }
  for (const auto& name : drop)
    if (!equals_ignore_case(name, "ALL")) std::erase(base, full_name(name));
  return base;
}

}  // namespace bramble

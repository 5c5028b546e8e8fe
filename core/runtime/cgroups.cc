#include "core/runtime/cgroups.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/files.h"
#include "core/base/log.h"
#include "core/base/unique_fd.h"

namespace bramble {

namespace {

Status write_text(const std::string& path, const std::string& text) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return Error::from_errno(errno, path);
  if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) return Error::from_errno(errno, cat(path, ": write ", text));
  return ok();
}

std::vector<std::string> folders_of(const std::string& path) {
  std::vector<std::string> out;
  DIR* d = opendir(path.c_str());
  if (!d) return out;
  while (dirent* e = readdir(d))
    if (e->d_type == DT_DIR && e->d_name[0] != '.') out.push_back(e->d_name);
  closedir(d);
  return out;
}

void kill_all_in(const std::string& path) {
  for (const auto& child : folders_of(path)) kill_all_in(cat(path, "/", child));
  std::string procs = read_file_start(cat(path, "/cgroup.procs"));
  for (auto line : split(procs, '\n'))
    if (auto pid = parse_int64(line)) kill(static_cast<pid_t>(*pid), SIGKILL);
}

bool remove_tree(const std::string& path) {
  for (const auto& child : folders_of(path)) remove_tree(cat(path, "/", child));
  return rmdir(path.c_str()) == 0 || errno == ENOENT;
}

// The controllers that a pod's own folder matters in; in the others runc makes folders for containers only.
constexpr const char* kPodControllers[] = {"cpu", "memory", "pids"};

}  // namespace

uint64_t cpu_weight_of_shares(uint64_t shares) {
  if (shares == 0) return 0;
  shares = std::clamp<uint64_t>(shares, 2, 262144);
  return 1 + ((shares - 2) * 9999) / 262142;
}

Result<Cgroups> Cgroups::open(Options options) {
  Cgroups c;
  c.options_ = std::move(options);
  std::string unified = read_file_start(cat(c.options_.mount, "/cgroup.controllers"));
  struct stat s;
  if (stat(cat(c.options_.mount, "/cgroup.controllers").c_str(), &s) == 0) {
    c.v2_ = true;
    c.trees_[""] = c.options_.mount;
    for (auto name : split(trim(unified), ' '))
      if (!name.empty()) c.v2_controllers_[std::string(name)] = true;
    return c;
  }
  std::string mounts = read_file_start(c.options_.mountinfo);
  for (auto line : split(mounts, '\n')) {
    // id parent major:minor root mount-point options... - type source super-options
    auto halves = cut(line, " - ");
    if (!halves || !halves->second.starts_with("cgroup")) continue;
    auto left = split(halves->first, ' ');
    auto right = split(halves->second, ' ');
    // A version 2 tree beside version 1 has no controllers, but runc makes its folders there too.
    if (left.size() >= 5 && right[0] == "cgroup2") c.trees_["unified"] = std::string(left[4]);
    if (right[0] != "cgroup" || left.size() < 5 || right.size() < 3 || !left[4].starts_with(c.options_.mount)) continue;
    for (auto option : split(right[2], ','))
      if (option != "rw" && option != "ro" && !option.empty() && !c.trees_.contains(std::string(option))) c.trees_[std::string(option)] = std::string(left[4]);
  }
  if (c.trees_.empty()) return Error(Code::kUnavailable, cat(c.options_.mount, ": no cgroup file system is mounted; mount cgroup2 there"));
  return c;
}

Status Cgroups::check_memory() const {
  if (has_controller("memory")) return ok();
  struct stat s;
  const char* file = nullptr;
  for (const char* known : {"/boot/cmdline.txt", "/boot/firmware/cmdline.txt", "/boot/firmware/current/cmdline.txt"})
    if (stat(known, &s) == 0) file = known;  // the newest place wins; the older ones may be left over
  if (file || stat("/proc/device-tree/model", &s) == 0)
    return Error(Code::kUnavailable, cat("the memory cgroup is off in this kernel; add \"cgroup_memory=1 cgroup_enable=memory\" to the one line of ",
                                         file ? file : "/boot/firmware/cmdline.txt", " and reboot"));
  return Error(Code::kUnavailable, "the memory cgroup is off in this kernel; boot with \"cgroup_enable=memory\" on its command line");
}

std::string Cgroups::dir(const std::string& controller, std::string_view path) const {
  auto it = trees_.find(v2_ ? "" : controller);
  return it == trees_.end() ? std::string() : cat(it->second, path.starts_with('/') ? "" : "/", path);
}

// Makes a folder with its parents in the trees that matter; version 2 hands the controllers down on the way.
Status Cgroups::make_dir(const std::string& path) {
  std::vector<std::string> trees;
  if (v2_) trees.push_back("");
  else for (const char* c : kPodControllers) if (trees_.contains(c)) trees.push_back(c);
  for (const auto& tree : trees) {
    std::string at = trees_[tree];
    for (auto part : split(path, '/')) {
      if (part.empty()) continue;
      if (v2_) {
        for (const char* c : {"cpu", "memory", "pids", "cpuset", "io", "hugetlb"})
          if (v2_controllers_.contains(c)) {
            Status s = write_text(cat(at, "/cgroup.subtree_control"), cat("+", c));
            if (!s.ok()) log_debug("cgroups: ", s.error().message());
          }
      }
      at = cat(at, "/", part);
      TRY(make_folders(at));
    }
  }
  return ok();
}

Status Cgroups::prepare(uint64_t node_cpu_shares) {
  for (const char* sub : {"", "/burstable", "/besteffort"}) TRY(make_dir(cat("/", options_.root, sub)));
  PodCgroupLimits node;
  node.cpu_shares = node_cpu_shares;
  TRY(write_limits(cat("/", options_.root), node));
  TRY(write_limits(cat("/", options_.root, "/besteffort"), PodCgroupLimits{}));
  for (const auto& [controller, mount] : trees_) {
    if (controller == "cpuset") continue;  // its folders take no process before they are given processors
    std::string at = mount;
    for (auto part : split(options_.shims, '/')) {
      at = cat(at, "/", part);
      TRY(make_folders(at));
    }
  }
  return ok();
}

Status Cgroups::set_burstable_shares(uint64_t shares) {
  PodCgroupLimits limits;
  limits.cpu_shares = std::max<uint64_t>(shares, 2);
  return write_limits(cat("/", options_.root, "/burstable"), limits);
}

Status Cgroups::limit_pods(const GroupLimits& limits) { return limit_group(cat("/", options_.root), limits); }

Status Cgroups::limit_group(const std::string& path, const GroupLimits& l) {
  struct Limit {
    const char *controller, *v1, *v2;
    std::optional<int64_t> value;
  };
  std::optional<int64_t> weight;
  if (l.cpu_shares) weight = static_cast<int64_t>(v2_ ? cpu_weight_of_shares(*l.cpu_shares) : std::clamp<uint64_t>(*l.cpu_shares, 2, 262144));
  for (const Limit& limit : {Limit{"cpu", "cpu.shares", "cpu.weight", weight}, Limit{"memory", "memory.limit_in_bytes", "memory.max", l.memory_bytes}, Limit{"pids", "pids.max", "pids.max", l.pids}}) {
    if (!limit.value || !has_controller(limit.controller)) continue;
    TRY(write_text(cat(dir(limit.controller, path), "/", v2_ ? limit.v2 : limit.v1), cat(*limit.value)));
  }
  return ok();
}

bool Cgroups::counts_swap() const {
  return has_controller("memory") && path_exists(cat(dir("memory", cat("/", options_.root)), v2_ ? "/memory.swap.max" : "/memory.memsw.limit_in_bytes"));
}

Status Cgroups::set_cpu(const std::string& path, const PodCgroupLimits& l) const {
  std::string at = dir("cpu", path);
  if (!has_controller("cpu")) return ok();
  if (v2_) {
    TRY(write_text(cat(at, "/cpu.weight"), cat(cpu_weight_of_shares(l.cpu_shares))));
    return write_text(cat(at, "/cpu.max"), l.cpu_quota_us ? cat(*l.cpu_quota_us, " ", l.cpu_period_us) : cat("max ", l.cpu_period_us));
  }
  TRY(write_text(cat(at, "/cpu.shares"), cat(std::clamp<uint64_t>(l.cpu_shares, 2, 262144))));
  if (!l.cpu_quota_us) return ok();
  TRY(write_text(cat(at, "/cpu.cfs_period_us"), cat(l.cpu_period_us)));
  return write_text(cat(at, "/cpu.cfs_quota_us"), cat(*l.cpu_quota_us));
}

// Version 1 holds memory and swap together to a limit of its own, which may never be below that of memory: where there is one, it
// moves along, so that as much swap stays.
static Status set_memory_v1(const std::string& folder, int64_t bytes) {
  const std::string memory = cat(folder, "/memory.limit_in_bytes"), both = cat(folder, "/memory.memsw.limit_in_bytes");
  const auto held = parse_int64(trim(read_file_start(both))), was = parse_int64(trim(read_file_start(memory)));
  constexpr int64_t kUnlimited = INT64_MAX / 65536 * 65536;  // as the kernel says it, whatever the size of its pages
  if (!held || !was || *held >= kUnlimited || *was > *held) return write_text(memory, cat(bytes));
  const std::string together = cat(bytes + (*held - *was));
  if (bytes > *was) TRY(write_text(both, together));
  TRY(write_text(memory, cat(bytes)));
  return bytes > *was ? ok() : write_text(both, together);
}

Status Cgroups::set_memory(const std::string& path, const PodCgroupLimits& l) const {
  if (!has_controller("memory")) return ok();
  if (v2_) return write_text(cat(dir("", path), "/memory.max"), l.memory_bytes ? cat(*l.memory_bytes) : "max");
  return l.memory_bytes ? set_memory_v1(dir("memory", path), *l.memory_bytes) : ok();
}

Status Cgroups::write_limits(const std::string& path, const PodCgroupLimits& l) {
  TRY(set_cpu(path, l));
  TRY(set_memory(path, l));
  if (!has_controller("pids") || (!v2_ && !l.pids)) return ok();
  return write_text(cat(dir("pids", path), "/pids.max"), l.pids ? cat(*l.pids) : "max");
}

std::string Cgroups::pod_path(std::string_view qos, std::string_view pod_uid) const {
  std::string_view folder = qos == "Guaranteed" ? "" : qos == "Burstable" ? "/burstable" : "/besteffort";
  return cat("/", options_.root, folder, "/pod", pod_uid);
}

Status Cgroups::make_pod(std::string_view qos, std::string_view pod_uid, const PodCgroupLimits& limits) {
  std::string path = pod_path(qos, pod_uid);
  TRY(make_dir(path));
  return write_limits(path, limits);
}

Status Cgroups::remove_pod(std::string_view qos, std::string_view pod_uid) {
  std::string path = pod_path(qos, pod_uid);
  bool gone = true;
  for (const auto& [controller, mount] : trees_) kill_all_in(cat(mount, path));
  for (const auto& [controller, mount] : trees_) gone = remove_tree(cat(mount, path)) && gone;
  if (!gone) return Error(Code::kUnavailable, cat("cgroup ", path, ": processes are still ending"));
  return ok();
}

bool Cgroups::oom_killed(const std::string& cgroup_path) const {
  std::string text = read_file_start(cat(dir("memory", cgroup_path), v2_ ? "/memory.events" : "/memory.oom_control"));
  for (auto line : split(text, '\n')) {
    auto parts = cut(line, " ");
    if (parts && parts->first == "oom_kill") return parse_int64(parts->second).value_or(0) > 0;
  }
  return false;
}

std::optional<int64_t> Cgroups::memory_usage_bytes(const std::string& cgroup_path) const {
  return parse_int64(trim(read_file_start(cat(dir("memory", cgroup_path), v2_ ? "/memory.current" : "/memory.usage_in_bytes"))));
}

std::vector<std::pair<std::string, std::string>> Cgroups::pods() const {
  std::vector<std::pair<std::string, std::string>> out;
  std::string tree = v2_ ? "" : trees_.contains("memory") ? "memory" : "cpu";
  constexpr std::pair<const char*, const char*> kQos[] = {{"Guaranteed", ""}, {"Burstable", "/burstable"}, {"BestEffort", "/besteffort"}};
  for (auto [qos, folder] : kQos)
    for (const auto& name : folders_of(dir(tree, cat("/", options_.root, folder))))
      if (name.starts_with("pod")) out.emplace_back(qos, name.substr(3));
  return out;
}

std::vector<std::string> Cgroups::shim_procs_files() const {
  std::vector<std::string> out;
  for (const auto& [controller, mount] : trees_)
    if (controller != "cpuset") out.push_back(cat(mount, "/", options_.shims, "/cgroup.procs"));
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

void Cgroups::kill_all() const {
  // Pods first: a shim that lives reaps them.
  for (const auto& [controller, mount] : trees_) kill_all_in(cat(mount, "/", options_.root));
  for (const auto& [controller, mount] : trees_) kill_all_in(cat(mount, "/", options_.shims));
}

void Cgroups::remove_all() {
  for (const auto& [controller, mount] : trees_) {
    remove_tree(cat(mount, "/", options_.root));
    std::string shims = cat(mount, "/", options_.shims);
    while (shims.size() > mount.size() && rmdir(shims.c_str()) == 0) shims.resize(shims.rfind('/'));
  }
}

}  // namespace bramble

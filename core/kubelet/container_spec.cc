#include "core/kubelet/container_spec.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <filesystem>

#include "core/kubelet/expansion.h"
#include "core/kubelet/pod_files.h"
#include "core/resources/pod_view.h"
#include "core/runtime/passwd.h"

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

// A member of the container's security context, or of the pod's.
Value security(const ContainerPlan& p, const char* key) {
  Value v = p.container["securityContext"][key];
  return v ? v : p.pod["spec"]["securityContext"][key];
}

Result<OciUser> user_of(const ContainerPlan& p, std::string* home) {
  Value run_as = security(p, "runAsUser"), run_as_group = security(p, "runAsGroup");
  std::string wanted = run_as ? cat(run_as.integer()) : p.image->user;
  auto resolved = resolve_user(wanted, p.passwd, p.group);
  if (!resolved.ok()) return Error(Code::kNotFound, resolved.error().message());
  OciUser user = resolved->user;
  *home = resolved->home;
  if (run_as_group) user.gid = static_cast<uint32_t>(run_as_group.integer());
  auto add = [&user](int64_t gid) {
    auto g = static_cast<uint32_t>(gid);
    if (std::find(user.additional_gids.begin(), user.additional_gids.end(), g) == user.additional_gids.end()) user.additional_gids.push_back(g);
  };
  Value pod_security = p.pod["spec"]["securityContext"];
  if (pod_security["supplementalGroupsPolicy"].str() == "Strict") user.additional_gids.clear();
  add(user.gid);
  if (Value g = pod_security["fsGroup"]) add(g.integer());
  for (Value g : pod_security["supplementalGroups"].items()) add(g.integer());
  if (security(p, "runAsNonRoot").boolean() && user.uid == 0) {
    std::string who = cat("(pod: \"", meta(p.pod, "name"), "_", meta(p.pod, "namespace"), "(", meta(p.pod, "uid"), ")\", container: ", p.container["name"].str(), ")");
    return Error(Code::kInvalidArgument, run_as ? cat("container's runAsUser breaks non-root policy ", who) : cat("container has runAsNonRoot and image will run as root ", who));
  }
  if (security(p, "runAsNonRoot").boolean() && !run_as && !p.image->user.empty() && !parse_uint64(split(p.image->user, ':')[0]))
    return Error(Code::kInvalidArgument, cat("container has runAsNonRoot and image has non-numeric user (", split(p.image->user, ':')[0], "), cannot verify user is non-root (pod: \"", meta(p.pod, "name"),
                                             "_", meta(p.pod, "namespace"), "(", meta(p.pod, "uid"), ")\", container: ", p.container["name"].str(), ")"));
  return user;
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

void add_resources(const ContainerPlan& p, ContainerSpec& spec) {
  Value requests = p.container["resources"]["requests"], limits = p.container["resources"]["limits"];
  auto cpu_limit = quantity(limits["cpu"]), cpu_request = quantity(requests["cpu"]);
  if (!cpu_request) cpu_request = cpu_limit;
  spec.resources.cpu_shares = cpu_shares_of_milli(cpu_request ? cpu_request->milli() : 0);
  if (cpu_limit && cpu_limit->milli() > 0) spec.resources.cpu_quota_us = cpu_quota_of_milli(cpu_limit->milli(), static_cast<int64_t>(spec.resources.cpu_period_us));
  if (auto memory = quantity(limits["memory"]); memory && memory->value() > 0) spec.resources.memory_bytes = memory->value();
  auto memory_request = quantity(requests["memory"]);
  if (!memory_request) memory_request = quantity(limits["memory"]);
  int adjust = oom_score_adjust(qos_name(PodView(p.pod).qos()), memory_request ? memory_request->value() : 0, p.node_memory_bytes);
  if (adjust < 0 && !p.may_lower_oom_score) adjust = 0;
  spec.process.oom_score_adj = adjust;
}

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
  TRY_ASSIGN(spec.process.user, user_of(p, &home));
  add_command(p, spec.process);
  if (spec.process.args.empty()) return Error(Code::kNotFound, "no command specified");
  spec.process.terminal = p.container["tty"].boolean();
  spec.process.cwd = p.container["workingDir"].text(p.image->working_dir);
  Environment env = p.env;
  if (!env.contains("HOSTNAME")) env["HOSTNAME"] = pod_hostname(p.pod);
  if (spec.process.terminal && !env.contains("TERM")) env["TERM"] = "xterm";
  bool has_home = env.contains("HOME");
  for (const auto& line : p.image->env) has_home = has_home || line.starts_with("HOME=");
  if (!has_home) env["HOME"] = home;
  spec.process.env = merge_environment(p.image->env, env);

  Value context = p.container["securityContext"];
  spec.privileged = context["privileged"].boolean();
  spec.unmasked = context["procMount"].str() == "Unmasked";
  spec.readonly_root = context["readOnlyRootFilesystem"].boolean();
  if (Value v = context["allowPrivilegeEscalation"]) spec.process.no_new_privileges = !v.boolean() && !spec.privileged;
  Value caps = context["capabilities"];
  spec.process.capabilities = spec.privileged ? all_capabilities() : adjust_capabilities(default_capabilities(), strings(caps["add"]), strings(caps["drop"]));
  for (Value s : p.pod["spec"]["securityContext"]["sysctls"].items()) spec.sysctls[s["name"].text()] = s["value"].text();

  spec.rootfs = p.rootfs;
  spec.cgroups_path = p.cgroups_path;
  spec.cgroup_v2 = p.cgroup_v2;
  add_resources(p, spec);
  add_namespaces(p, spec);
  add_mounts(p, spec);
  if (spec.privileged) add_host_devices(spec);
  spec.annotations["io.kubernetes.pod.name"] = meta(p.pod, "name");
  spec.annotations["io.kubernetes.pod.namespace"] = meta(p.pod, "namespace");
  spec.annotations["io.kubernetes.pod.uid"] = meta(p.pod, "uid");
  spec.annotations["io.kubernetes.container.name"] = p.container["name"].text();
  return spec;
}

}  // namespace bramble

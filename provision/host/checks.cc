#include "provision/host/checks.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/files.h"
#include "core/base/strings.h"
#include "core/base/unique_fd.h"
#include "core/runtime/pod_runtime.h"

namespace bramble {
namespace {

using Verdict = Check::Verdict;

std::string read_text(const std::string& path) { return read_file_start(path, kNoLimit); }

bool there(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

bool has_word(std::string_view text, std::string_view word) {
  for (auto line : split(text, '\n'))
    for (auto w : split(line, ' '))
      for (auto t : split(w, '\t'))
        if (t == word) return true;
  return false;
}

std::string memory_advice(const std::string& root) {
  std::string file = pi_cmdline_file(root);
  if (file.empty()) return "boot a kernel with the memory cgroup (CONFIG_MEMCG) switched on";
  return cat("add \"cgroup_enable=memory cgroup_memory=1\" to the end of the one line in ", file, ", then reboot");
}

Check check_memory_cgroup(const std::string& root) {
  Check c{"memory cgroup", Verdict::kGood, "", ""};
  std::string v2 = read_text(root + "/sys/fs/cgroup/cgroup.controllers");
  if (has_word(v2, "memory")) {
    c.finding = "cgroup v2";
    return c;
  }
  std::string v1 = read_text(root + "/proc/cgroups");
  for (auto line : split(v1, '\n')) {
    auto fields = split(line, '\t');
    if (fields.size() == 4 && fields[0] == "memory" && fields[3] == "1") {
      c.finding = "cgroup v1";
      return c;
    }
  }
  return {"memory cgroup", Verdict::kMissing, "this kernel runs without it: no pod can have a memory limit", memory_advice(root)};
}

// Whether the kernel has a function, built in or of a loaded module (/proc/kallsyms, some MB).
bool has_function(const std::string& root, std::string_view symbol) {
  UniqueFd fd(open((root + "/proc/kallsyms").c_str(), O_RDONLY | O_CLOEXEC));
  std::string wanted = cat(" ", symbol), tail;
  char buf[32 * 1024];
  for (ssize_t n; fd.valid() && (n = read(fd.get(), buf, sizeof buf)) > 0;) {
    tail.append(buf, static_cast<size_t>(n));
    for (size_t at = 0; (at = tail.find(wanted, at)) != std::string::npos; at++) {
      size_t end = at + wanted.size();
      if (end < tail.size() && (tail[end] == '\n' || tail[end] == '\t')) return true;
    }
    tail.erase(0, tail.size() - std::min(tail.size(), wanted.size() + 1));
  }
  return false;
}

// A feature that is in the kernel, or a module that modprobe would find. function: one that only this feature brings, or "".
Check check_feature(const std::string& root, std::string_view name, std::string_view module, std::string_view function, bool present,
                    std::string_view without) {
  Check c{std::string(name), Verdict::kGood, "in the kernel", ""};
  if (present) return c;
  utsname u{};
  uname(&u);
  std::string needle = cat("/", module, ".ko");
  std::string folder = cat(root, "/lib/modules/", u.release, "/");
  for (const char* list : {"modules.builtin", "modules.dep"}) {
    if (read_text(folder + list).find(needle) != std::string::npos) {
      c.finding = cat("module ", module);
      return c;
    }
  }
  if (!function.empty() && has_function(root, function)) return c;
  return {std::string(name), Verdict::kWarning, cat("not seen: ", without),
          cat("if it fails: modprobe ", module, ", or install the kernel's extra modules (linux-modules-extra-raspi on Ubuntu)")};
}

Check check_ipv4_forward(const std::string& root) {
  if (trim(read_text(root + "/proc/sys/net/ipv4/ip_forward")) == "1") return {"IPv4 forwarding", Verdict::kGood, "on", ""};
  return {"IPv4 forwarding", Verdict::kGood, "off; bramble switches it on when it starts", ""};
}

Check check_runtime(const CheckOptions& options) {
  if (options.runtime.empty()) return {"container runtime", Verdict::kGood, "the runc inside bramble", ""};
  auto path = find_runtime(options.runtime);
  if (path.ok()) return {"container runtime", Verdict::kGood, *path, ""};
  return {"container runtime", Verdict::kMissing, path.error().message(), "apt-get install runc, or name one with --runtime"};
}

Check check_memory(const std::string& root) {
  std::string text = read_text(root + "/proc/meminfo");
  for (auto line : split(text, '\n')) {
    if (!line.starts_with("MemTotal:")) continue;
    auto kb = parse_int64(trim(line.substr(9, line.size() - 9 - 3)));
    if (!kb) break;
    Check c{"memory", Verdict::kGood, cat(*kb / 1024, " MiB"), ""};
    if (*kb < 400 * 1024) c = {"memory", Verdict::kWarning, c.finding, "bramble is made for 512 MB and more"};
    return c;
  }
  return {"memory", Verdict::kWarning, "unknown", "is /proc mounted?"};
}

}  // namespace

std::string pi_cmdline_file(const std::string& root) {
  if (read_text(root + "/proc/device-tree/model").find("Raspberry Pi") == std::string::npos &&
      read_text(root + "/proc/cpuinfo").find("Raspberry Pi") == std::string::npos)
    return {};
  for (const char* file : {"/boot/firmware/current/cmdline.txt", "/boot/firmware/cmdline.txt", "/boot/cmdline.txt"})
    if (there(root + file)) return file;
  return "/boot/firmware/cmdline.txt";
}

std::vector<Check> check_machine(const CheckOptions& options) {
  const std::string& root = options.root;
  std::string filesystems = read_text(root + "/proc/filesystems");
  std::vector<Check> out;
  utsname u{};
  uname(&u);
  out.push_back({"kernel", Verdict::kGood, cat(u.sysname, " ", u.release, " ", u.machine), ""});
  out.push_back(check_memory(root));
  out.push_back(check_memory_cgroup(root));
  out.push_back(check_feature(root, "overlay file system", "overlay", "", has_word(filesystems, "overlay"), "images cannot be mounted without it"));
  out.push_back(check_feature(root, "bridge", "bridge", "br_dev_setup", there(root + "/sys/module/bridge") || there(root + "/proc/sys/net/bridge"), "pods get no network without it"));
  out.push_back(check_feature(root, "bridge netfilter", "br_netfilter", "", there(root + "/proc/sys/net/bridge"), "a pod reaches no service whose pod is on its own node without it"));
  out.push_back(check_feature(root, "veth", "veth", "veth_newlink", there(root + "/sys/module/veth"), "pods get no network without it"));
  out.push_back(check_feature(root, "nftables", "nf_tables", "nf_tables_newtable", there(root + "/sys/module/nf_tables"), "services have no addresses without it"));
  out.push_back(check_feature(root, "vxlan", "vxlan", "vxlan_setup", there(root + "/sys/module/vxlan"), "nodes on different networks do not reach each other's pods without it"));
  out.push_back(check_ipv4_forward(root));
  out.push_back(check_runtime(options));
  return out;
}

}  // namespace bramble

// What this machine's kernel can enforce on containers. Read once at start; any thread.
#pragma once

#include "core/base/files.h"

namespace bramble {

struct HostSecurity {
  bool seccomp = false, apparmor = false, selinux = false;
};

inline HostSecurity read_host_security() {
  HostSecurity out;
  out.seccomp = read_file_start("/proc/self/status").find("\nSeccomp:") != std::string::npos;
  out.apparmor = path_exists("/sys/kernel/security/apparmor") && read_file_start("/sys/module/apparmor/parameters/enabled").starts_with("Y");
  out.selinux = path_exists("/sys/fs/selinux/enforce");
  return out;
}

}  // namespace bramble

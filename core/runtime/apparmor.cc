#include "core/runtime/apparmor.h"

#include "core/base/strings.h"

namespace bramble {

// What capabilities, namespaces and the seccomp filter govern is allowed here; what they cannot tell apart is not: mounts, and
// writing to what belongs to the machine in /proc and /sys.
std::string default_apparmor_profile() {
  constexpr const char* kRules = R"(
  network,
  capability,
  file,
  umount,
  deny mount,

  signal (receive) peer=unconfined,
  signal (receive) peer=runc,
  signal (receive) peer=crun,
  signal (send, receive) peer=@,
  ptrace (read, readby, trace, tracedby) peer=@,

  deny @{PROC}/* w,
  deny @{PROC}/{acpi,bus,fs,irq,scsi}/** w,
  deny @{PROC}/sys/{abi,debug,dev,fs,vm}/** w,
  deny @{PROC}/sys/kernel/{?,??,[^ms]**,m[^s]**,ms[^g]**,s[^h]**,sh[^m]**} w,
  deny @{PROC}/{kcore,sysrq-trigger} rwklx,
  deny /sys/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/kernel/security/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
)";
  return cat("#include <tunables/global>\n\nprofile ", kDefaultAppArmorProfile, " flags=(attach_disconnected,mediate_deleted) {\n  #include <abstractions/base>\n",
             replace_all(kRules, "=@", cat("=", kDefaultAppArmorProfile)), "}\n");
}

}  // namespace bramble

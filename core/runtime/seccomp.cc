#include "core/runtime/seccomp.h"

#include <errno.h>
#include <string.h>

#include <algorithm>

#include "core/base/files.h"

namespace bramble {

namespace {

// Data. Names that a kernel or its library does not know are passed over by the runtimes, so newer ones do no harm.
constexpr std::string_view kAlways =
    "_llseek _newselect accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32 clock_adjtime "
    "clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range "
    "connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait "
    "epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir "
    "fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat "
    "fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat "
    "get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 "
    "getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getrusage "
    "getsid getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init inotify_init1 "
    "inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl ioprio_get ioprio_set ipc "
    "kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr "
    "listxattrat llistxattr lremovexattr lseek lsetxattr lsm_get_self_attr lsm_list_modules lsm_set_self_attr lstat lstat64 madvise "
    "map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect "
    "mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget "
    "msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal "
    "pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 "
    "pselect6_time64 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg "
    "remap_file_pages removexattr removexattrat rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask "
    "rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max "
    "sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 "
    "sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop "
    "semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 "
    "setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid "
    "setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown "
    "sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statmount statx symlink "
    "symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 "
    "timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate "
    "truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid "
    "write writev";
// Since Linux 4.8 a traced process cannot get around its filter.
constexpr std::string_view kTracing = "process_vm_readv process_vm_writev ptrace";
constexpr std::string_view kArm = "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls";
constexpr std::string_view kAmd64 = "arch_prctl modify_ldt";

struct ByCapability {
  std::string_view capability, calls;
};
constexpr ByCapability kByCapability[] = {
    {"CAP_DAC_READ_SEARCH", "open_by_handle_at"},
    {"CAP_SYS_ADMIN",
     "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname "
     "sethostname setns syslog umount umount2 unshare"},
    {"CAP_SYS_BOOT", "reboot"},
    {"CAP_SYS_CHROOT", "chroot"},
    {"CAP_SYS_MODULE", "delete_module init_module finit_module"},
    {"CAP_SYS_PACCT", "acct"},
    {"CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"},
    {"CAP_SYS_RAWIO", "iopl ioperm"},
    {"CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64"},
    {"CAP_SYS_TTY_CONFIG", "vhangup"},
    {"CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"},
    {"CAP_SYSLOG", "syslog"},
    {"CAP_BPF", "bpf"},
    {"CAP_PERFMON", "perf_event_open"},
};

struct ByArgument {
  const char* call;
  int64_t value;
  const char* comparison;
};
// Conditions on the first argument. socket: neither AF_ALG (38) nor AF_VSOCK (40), in three ranges, since runtimes take several
// conditions on one argument for alternatives. personality: Linux, with or without UNAME26 (0x20000), 32 bits (8), and asking.
constexpr ByArgument kByArgument[] = {{"socket", 38, "SCMP_CMP_LT"},          {"socket", 39, "SCMP_CMP_EQ"},          {"socket", 40, "SCMP_CMP_GT"},
                                      {"personality", 0, "SCMP_CMP_EQ"},      {"personality", 8, "SCMP_CMP_EQ"},      {"personality", 0x20000, "SCMP_CMP_EQ"},
                                      {"personality", 0x20008, "SCMP_CMP_EQ"}, {"personality", 0xffffffff, "SCMP_CMP_EQ"}};
// CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}: none of them without CAP_SYS_ADMIN.
constexpr int64_t kNewNamespaces = 0x7e020000;

Mut rule(Mut syscalls, std::string_view names, const char* action) {
  Mut out = syscalls.append_object();
  Mut list = out.array("names");
  for (auto name : split(names, ' ')) list.append(name);
  out.set("action", action);
  return out;
}

void first_argument(Mut rule, int64_t value, const char* comparison, std::optional<int64_t> second = {}) {
  Mut argument = rule.array("args").append_object();
  argument.set("index", int64_t{0});
  argument.set("value", value);
  if (second) argument.set("valueTwo", *second);
  argument.set("op", comparison);
}

std::string_view architectures(std::string_view machine) {
  if (machine == "amd64") return "SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32";
  if (machine == "arm64") return "SCMP_ARCH_ARM SCMP_ARCH_AARCH64";
  return {};  // the runtime's own
}

}  // namespace

std::string_view seccomp_machine() {
#if defined(__x86_64__)
  return "amd64";
#elif defined(__aarch64__)
  return "arm64";
#else
  return "arm";
#endif
}

Document default_seccomp_profile(std::string_view machine, const std::vector<std::string>& capabilities) {
  Builder b;
  Mut root = b.root();
  root.set("defaultAction", "SCMP_ACT_ERRNO");
  if (auto known = architectures(machine); !known.empty()) {
    Mut list = root.array("architectures");
    for (auto a : split(known, ' ')) list.append(a);
  }
  Mut syscalls = root.array("syscalls");
  constexpr const char* kAllow = "SCMP_ACT_ALLOW";
  rule(syscalls, kAlways, kAllow);
  for (const auto& r : kByArgument) first_argument(rule(syscalls, r.call, kAllow), r.value, r.comparison);
  rule(syscalls, kTracing, kAllow);
  if (machine == "arm" || machine == "arm64") rule(syscalls, kArm, kAllow);
  if (machine == "amd64") rule(syscalls, kAmd64, kAllow);
  auto has = [&](std::string_view name) { return std::find(capabilities.begin(), capabilities.end(), name) != capabilities.end(); };
  for (const auto& r : kByCapability)
    if (has(r.capability)) rule(syscalls, r.calls, kAllow);
  if (!has("CAP_SYS_ADMIN")) {
    first_argument(rule(syscalls, "clone", kAllow), kNewNamespaces, "SCMP_CMP_MASKED_EQ", 0);
    rule(syscalls, "clone3", "SCMP_ACT_ERRNO").set("errnoRet", int64_t{ENOSYS});  // its flags cannot be seen; the C library then takes clone
  }
  return b.finish();
}

Result<Document> read_seccomp_profile(const std::string& path) {
  auto text = read_file(path);
  if (!text.ok()) return Error(Code::kInvalidArgument, cat("cannot load seccomp profile ", go_quote(path), ": ", text.error().message()));
  auto parsed = Document::parse(*text);
  if (!parsed.ok() || !parsed->root().is_object())
    return Error(Code::kInvalidArgument, cat("decoding seccomp profile failed ", go_quote(path), ": ", parsed.ok() ? "not an object" : parsed.error().message()));
  return *parsed;
}

}  // namespace bramble

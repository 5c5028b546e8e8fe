// dies_at(calls, fn): runs fn in a process of its own that the kernel ends at the first of these system calls, before it is
// carried out: a crash at that very point. True when it came to it; false when fn ended first. For tests without threads.
#pragma once

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <vector>

namespace bramble {
namespace {

inline bool dies_at(const std::vector<long>& calls, const std::function<void()>& fn) {
  pid_t child = fork();
  EXPECT_GE(child, 0);
  if (child == 0) {
    std::vector<sock_filter> program = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
    for (long call : calls) {
      program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 1));
      program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
    }
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) _exit(2);
    fn();
    _exit(0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) == 2) << "no seccomp here";
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

// The calls that change a file's mode.
inline std::vector<long> chmod_calls() {
  return {
#ifdef SYS_chmod
      SYS_chmod,
#endif
      SYS_fchmod, SYS_fchmodat};
}
// The calls that change a file's owner.
inline std::vector<long> chown_calls() {
  return {
#ifdef SYS_lchown
      SYS_chown, SYS_lchown,
#endif
      SYS_fchown, SYS_fchownat};
}

}  // namespace
}  // namespace bramble

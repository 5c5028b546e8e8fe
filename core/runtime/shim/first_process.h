// The first process of a PID namespace that the containers of a pod share (shareProcessNamespace): it reaps what they leave, and
// does nothing else. A mode of the shim's executable, so that no image is needed:
//   bramble-shim --first-process <pod directory> [<cgroup.procs file>...]
// The caller's process binds the namespace to <pod directory>/ns/pid, writes its number to ns/first, and returns; the first
// process lives on, outside the pod's cgroup, until bramble kills it. The containers see it as process 1: it shows them an empty
// root, nobody's user and no way to trace it.
#pragma once

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/runtime/shim/bytes.h"
#include "core/runtime/shim/own_root.h"

namespace bramble::shim {

// Away from the machine's files: a tmpfs with nothing in it is its root.
inline bool hide(const char* empty) {
  if (!root_the_namespace() || unshare(CLONE_NEWNS) != 0) return false;
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  if (mkdir(empty, 0755) != 0 && errno != EEXIST) return false;
  if (mount("empty", empty, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=555,size=4k") != 0 || chdir(empty) != 0) return false;
  if (syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 || chdir("/") != 0) return false;
  return mount(nullptr, "/", nullptr, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k") == 0;
}

inline int be_first_process(const char* pod_directory, char** argv, int ready) {
  char empty[1024];
  setsid();
  bool hidden = snprintf(empty, sizeof empty, "%s/ns/empty", pod_directory) < static_cast<int>(sizeof empty) && hide(empty);
  if (hidden) hidden = setgroups(0, nullptr) == 0 && setresgid(65535, 65535, 65535) == 0 && setresuid(65535, 65535, 65535) == 0;
  if (!hidden) {
    dprintf(2, "first process: %s\n", strerror(errno));
    return 1;
  }
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl(PR_SET_NAME, "pause", 0, 0, 0);
  for (char** at = argv; *at; ++at) memset(*at, 0, strlen(*at));  // paths of the machine
  signal(SIGCHLD, SIG_IGN);  // who ends is gone
  if (write(ready, "", 1) != 1) return 1;
  for (int fd = 0; fd < 64; ++fd) close(fd);
  for (;;) pause();
}

inline int make_first_process(int argc, char** argv) {
  const char* pod_directory = argv[2];
  char path[1024], target[64], text[32];
  for (int i = 3; i < argc; ++i) {
    int fd = open(argv[i], O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1) dprintf(2, "%s: %s\n", argv[i], strerror(errno));
    if (fd >= 0) close(fd);
  }
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) return 1;
  pid_t child = static_cast<pid_t>(syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0));  // as fork does
  if (child < 0) {
    dprintf(2, "PID namespace: %s\n", strerror(errno));
    return 1;
  }
  if (child == 0) _exit(be_first_process(pod_directory, argv, ready[1]));
  close(ready[1]);
  char byte;
  snprintf(path, sizeof path, "%s/ns/pid", pod_directory);
  snprintf(target, sizeof target, "/proc/%d/ns/pid", static_cast<int>(child));
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
  if (fd >= 0) close(fd);
  bool good = read(ready[0], &byte, 1) == 1;
  if (good && mount(target, path, nullptr, MS_BIND, nullptr) != 0) {
    dprintf(2, "mount %s: %s\n", path, strerror(errno));
    good = false;
  }
  snprintf(path, sizeof path, "%s/ns/first", pod_directory);
  snprintf(text, sizeof text, "%d\n", static_cast<int>(child));
  good = good && write_file(path, text);
  if (!good) kill(child, SIGKILL);
  return good ? 0 : 1;
}

}  // namespace bramble::shim

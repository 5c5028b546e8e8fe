// The root of the mount namespace. A process that enters a container's mount namespace (runc exec does) lands at that namespace's
// root. runc puts the container's root there by pivot_root, but where the server runs in a chroot only the root of the chroot
// would be replaced, and commands would run among the machine's files. Called in a child of the shim, before it becomes runc.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_open_tree  // one number on all processors
#define SYS_open_tree 428
#define SYS_move_mount 429
#endif

namespace bramble::shim {

// A mount and a folder in it: a bind mount of the whole root is another place than the root.
struct Place {
  int mount;
  ino_t inode;
};

inline bool find_place(int fd, Place* place) {
  struct stat status;
  file_handle handle{};  // of no room: only the mount's number is wanted
  if (fstat(fd, &status) != 0) return false;
  place->inode = status.st_ino;
  return name_to_handle_at(fd, "", &handle, &place->mount, AT_EMPTY_PATH) == 0 || errno == EOVERFLOW;
}

// In a chroot: moves the calling process, which must have one thread, into a mount namespace of its own whose root is that of the
// chroot; mounts made outside later still arrive. Elsewhere only its working directory becomes "/". False, with errno, when it is
// in a chroot and cannot leave it.
inline bool root_the_namespace() {
  constexpr unsigned kClone = 1, kRecursive = 0x8000, kEmptyPath = 0x1000, kFromEmpty = 0x4, kToEmpty = 0x40;
  Place mine, whole;
  int ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (ns < 0 || root < 0 || !find_place(root, &mine)) return false;
  if (setns(ns, CLONE_NEWNS) != 0) return false;  // now at the namespace's root
  close(ns);
  int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (top < 0 || !find_place(top, &whole)) return false;
  close(top);
  if (mine.mount == whole.mount && mine.inode == whole.inode) {
    close(root);
    return true;
  }
  // The handle is of the old namespace: the way back in the new one leads through the working directory, which unshare carries over.
  if (fchdir(root) != 0 || unshare(CLONE_NEWNS) != 0) return false;
  close(root);
  if (mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return false;
  int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  int tree = static_cast<int>(syscall(SYS_open_tree, here, "", kClone | kRecursive | kEmptyPath | O_CLOEXEC));
  if (here < 0 || tree < 0 || syscall(SYS_move_mount, tree, "", here, "", kFromEmpty | kToEmpty) != 0 || fchdir(tree) != 0) return false;
  if (syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0) return false;
  close(here);
  close(tree);
  return chdir("/") == 0;
}

}  // namespace bramble::shim

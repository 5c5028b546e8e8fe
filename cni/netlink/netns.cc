#include "cni/netlink/netns.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "cni/netlink/rtnetlink.h"
#include "cni/pod_network.h"
#include "core/base/strings.h"

namespace bramble {
namespace {

Status on_own_thread(const std::function<Status()>& fn) {
  Status out = ok();
  std::thread worker([&] { out = fn(); });
  worker.join();
  return out;
}

bool is_namespace_mount(const std::string& path) {
  struct stat here {}, parent {};
  std::string folder = path.substr(0, path.rfind('/'));
  return stat(path.c_str(), &here) == 0 && stat(folder.c_str(), &parent) == 0 && here.st_dev != parent.st_dev;
}

Status raise_loopback() {
  TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
  TRY_ASSIGN(auto lo, rt.find_link("lo"));
  if (!lo) return Error(Code::kIo, "lo: missing in a new network namespace");
  return rt.set_up(lo->index);
}

}  // namespace

Status in_netns(const std::string& path, const std::function<Status()>& fn) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Error::from_errno(errno, cat("network namespace ", path));
  Status out = on_own_thread([&]() -> Status {
    if (setns(fd, CLONE_NEWNET) != 0) return Error::from_errno(errno, cat("enter network namespace ", path));
    return fn();
  });
  close(fd);
  return out;
}

Status set_net_sysctl(const std::string& name, std::string_view value) {
  std::string path = cat("/proc/sys/net/", name);  // resolves to the calling thread's namespace
  int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return Error::from_errno(errno, path);
  char now[64];
  ssize_t n = read(fd, now, sizeof now);
  if (n > 0 && trim(std::string_view(now, static_cast<size_t>(n))) == value) {
    close(fd);
    return ok();
  }
  ssize_t written = pwrite(fd, value.data(), value.size(), 0);
  int err = errno;
  close(fd);
  if (written != static_cast<ssize_t>(value.size())) return Error::from_errno(err, path);
  return ok();
}

Status make_netns(const std::string& path) {
  if (is_namespace_mount(path)) return ok();
  int fd = open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Error::from_errno(errno, path);
  close(fd);
  return on_own_thread([&]() -> Status {
    if (unshare(CLONE_NEWNET) != 0) return Error::from_errno(errno, "make a network namespace");
    TRY(raise_loopback());
    if (mount("/proc/thread-self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr) != 0)
      return Error::from_errno(errno, cat("keep a network namespace at ", path));
    return ok();
  });
}

Status remove_netns(const std::string& path) {
  while (umount2(path.c_str(), MNT_DETACH) == 0) {
  }
  if (errno != EINVAL && errno != ENOENT) return Error::from_errno(errno, path);
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return Error::from_errno(errno, path);
  return ok();
}

}  // namespace bramble

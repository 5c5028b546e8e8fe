// An ext4 file system in a file, mounted in a mount namespace of this process, so that nothing is left behind however the test
// ends. Its power can be cut: what was not fsynced is gone then. Needs root.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <string>

#include "core/base/strings.h"

namespace bramble::crash {

class LoopDisk {
 public:
  // dir: an existing directory for the image and the mount point.
  LoopDisk(std::string dir, int megabytes) : image_(dir + "/disk.img"), mount_point_(dir + "/mnt") {
    static bool own_namespace = unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    ok_ = own_namespace && shell(cat("truncate -s ", megabytes, "M ", image_)) &&
          shell(cat("PATH=$PATH:/sbin:/usr/sbin mkfs.ext4 -q -F -m 0 ", image_)) && shell(cat("mkdir -p ", mount_point_)) && attach();
  }
  ~LoopDisk() { detach(); }
  bool ok() const { return ok_; }
  const std::string& path() const { return mount_point_; }

  // EXT4_IOC_SHUTDOWN without flushing the journal: as if the plug were pulled. remount() reads what is really there.
  bool cut_power() {
    int fd = open(mount_point_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    uint32_t no_log_flush = 2;
    bool cut = ioctl(fd, _IOR('X', 125, uint32_t), &no_log_flush) == 0;
    close(fd);
    return cut;
  }
  bool make_read_only() { return shell(cat("mount -o remount,ro ", mount_point_)); }
  bool remount() {
    detach();
    return attach();
  }

 private:
  static bool shell(const std::string& command) { return system(command.c_str()) == 0; }
  bool attach() { return mounted_ = shell(cat("mount -o loop ", image_, " ", mount_point_)); }
  void detach() {
    if (mounted_) mounted_ = !shell(cat("umount ", mount_point_));
  }

  std::string image_, mount_point_;
  bool mounted_ = false;
  bool ok_ = false;
};

}  // namespace bramble::crash

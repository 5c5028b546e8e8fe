#include <fcntl.h>
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "images/layers/layer_dirs.h"

namespace bramble {

// Deletes what is inside the open folder `fd`. Depth is bounded by PATH_MAX of what was once unpacked.
static Status empty_folder(int fd, dev_t device, const std::string& shown) {
  DIR* d = fdopendir(fd);
  if (!d) {
    int err = errno;
    close(fd);
    return Error::from_errno(err, shown);
  }
  Status out = ok();
  while (dirent* e = readdir(d)) {
    std::string_view name = e->d_name;
    if (name == "." || name == "..") continue;
    if (unlinkat(dirfd(d), e->d_name, 0) == 0) continue;
    if (errno != EISDIR && errno != EPERM) {
      out = Error::from_errno(errno, cat(shown, "/", name));
      break;
    }
    int child = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st {};
    if (child < 0 || fstat(child, &st) != 0) {
      out = Error::from_errno(errno, cat(shown, "/", name));
      if (child >= 0) close(child);
      break;
    }
    if (st.st_dev != device) {
      close(child);
      out = Error(Code::kIo, cat(shown, "/", name, ": something is mounted here; unmount it"));
      break;
    }
    out = empty_folder(child, device, cat(shown, "/", name));
    if (out.ok() && unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR) != 0) out = Error::from_errno(errno, cat(shown, "/", name));
    if (!out.ok()) break;
  }
  closedir(d);
  return out;
}

Status remove_tree(const std::string& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return ok();
  int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? ok() : Status(Error::from_errno(errno, path));
  struct stat st {};
  fstat(fd, &st);
  TRY(empty_folder(fd, st.st_dev, path));
  if (rmdir(path.c_str()) != 0 && errno != ENOENT) return Error::from_errno(errno, path);
  return ok();
}

}  // namespace bramble

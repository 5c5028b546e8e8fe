#include "storage/sqlite/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/sqlite/disk_failure.h"

namespace bramble {

bool file_exists(const std::string& path) {
  struct stat st;
  return lstat(path.c_str(), &st) == 0;
}

Status make_directory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return ok();
  if (errno != ENOENT) return directory_failure(errno, path, "make the directory");
  size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) return directory_failure(ENOENT, path, "make the directory");
  TRY(make_directory(path.substr(0, slash)));
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return ok();
  return directory_failure(errno, path, "make the directory");
}

Status sync_directory_of(const std::string& path) {
  size_t slash = path.rfind('/');
  std::string dir = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  int fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Error::from_errno(errno, dir);
  int rc = fsync(fd);
  int err = errno;
  ::close(fd);
  return rc == 0 ? ok() : Status(Error::from_errno(err, cat(dir, ": fsync")));
}

Status rename_file(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) return Error::from_errno(errno, cat(from, ": cannot rename to ", to));
  return sync_directory_of(to);
}

Status remove_file(const std::string& path) {
  if (!file_exists(path)) return ok();  // a read-only file system says EROFS even then
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return ok();
  return Error::from_errno(errno, cat(path, ": cannot remove"));
}

Status link_file(const std::string& from, const std::string& to) {
  if (link(from.c_str(), to.c_str()) == 0 || errno == ENOENT) return ok();
  return Error::from_errno(errno, cat(from, ": cannot link to ", to));
}

std::string free_name(const std::string& path, std::string_view word) {
  for (int n = 1;; n++) {
    std::string name = cat(path, ".", word, "-", n);
    if (!file_exists(name)) return name;
  }
}

}  // namespace bramble

#include "core/app/small_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/limits.h"

namespace bramble {

Result<std::string> read_small_file(const std::string& path) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Error::from_errno(errno, path);
  std::string out;
  char buf[8192];
  for (;;) {
    ssize_t n = read(fd, buf, sizeof buf);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      int err = errno;
      close(fd);
      return Error::from_errno(err, path);
    }
    if (n == 0) break;
    out.append(buf, static_cast<size_t>(n));
    if (out.size() > limits::kSmallFileBytesMax) {
      close(fd);
      return Error(Code::kTooLarge, cat(path, ": larger than ", limits::kSmallFileBytesMax, " bytes"));
    }
  }
  close(fd);
  return out;
}

static Status write_and_sync(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, path);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  if (fsync(fd) != 0) return Error::from_errno(errno, path);
  return ok();
}

Status write_file_atomically(const std::string& path, std::string_view bytes, mode_t mode) {
  struct stat st {};
  if (stat(path.c_str(), &st) == 0 && (st.st_mode & 07777) == mode) {
    auto old = read_small_file(path);
    if (old.ok() && *old == bytes) return ok();
  }
  std::string temporary = path + ".new";
  int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0) return Error::from_errno(errno, temporary);
  fchmod(fd, mode);
  Status written = write_and_sync(fd, bytes, temporary);
  close(fd);
  if (written.ok() && rename(temporary.c_str(), path.c_str()) != 0) written = Error::from_errno(errno, path);
  if (!written.ok()) {
    unlink(temporary.c_str());
    return written;
  }
  size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  int dir = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir >= 0) {
    fsync(dir);
    close(dir);
  }
  return ok();
}

std::string quarantine_path(const std::string& run_dir) { return run_dir + "/quarantine"; }

Status make_directories(const std::string& path, mode_t mode) {
  for (size_t at = 1; at <= path.size(); at++) {
    if (at != path.size() && path[at] != '/') continue;
    std::string part = path.substr(0, at);
    if (mkdir(part.c_str(), mode) != 0 && errno != EEXIST) return Error::from_errno(errno, part);
  }
  return ok();
}

}  // namespace bramble

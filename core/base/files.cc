#include "core/base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/base/limits.h"
#include "core/base/strings.h"
#include "core/base/unique_fd.h"

namespace bramble {

namespace {

constexpr size_t kReadBytes = 16 * 1024;

// At most max bytes; an error ends it like the file's end does, and is told.
int read_up_to(int fd, size_t max, std::string* out) {
  char buffer[kReadBytes];
  while (out->size() < max) {
    ssize_t n = read(fd, buffer, std::min(sizeof buffer, max - out->size()));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return 0;
    out->append(buffer, static_cast<size_t>(n));
  }
  return 0;
}

Status write_new(const std::string& path, std::string_view bytes, mode_t mode, bool durable) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode & 0700));
  if (!fd.valid() || fchmod(fd.get(), mode) != 0) return Error::from_errno(errno, path);
  TRY(write_all(fd.get(), bytes, path));
  if (durable && fsync(fd.get()) != 0) return Error::from_errno(errno, path);
  return ok();
}

Status replace(const std::string& path, std::string_view bytes, mode_t mode, bool durable) {
  std::string fresh = path + ".new";
  Status written = write_new(fresh, bytes, mode, durable);
  if (written.ok() && rename(fresh.c_str(), path.c_str()) != 0) written = Error::from_errno(errno, path);
  if (!written.ok()) unlink(fresh.c_str());
  return written;
}

}  // namespace

bool path_exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

Result<std::string> read_rest(int fd, const std::string& shown, size_t bytes_max) {
  std::string out;
  if (int err = read_up_to(fd, bytes_max + 1, &out)) return Error::from_errno(err, shown);
  if (out.size() > bytes_max) return Error(Code::kTooLarge, cat(shown, ": larger than ", bytes_max, " bytes"));
  return out;
}

Result<std::string> read_rest(int fd, const std::string& shown) { return read_rest(fd, shown, limits::kSmallFileBytesMax); }

Result<std::string> read_file(const std::string& path) { return read_file(path, limits::kSmallFileBytesMax); }

Result<std::string> read_file(const std::string& path, size_t bytes_max) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return Error::from_errno(errno, path);
  return read_rest(fd.get(), path, bytes_max);
}

std::string read_file_start(const std::string& path) { return read_file_start(path, limits::kSmallFileBytesMax); }

std::string read_file_start(const std::string& path, size_t bytes_max) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::string out;
  if (fd.valid()) read_up_to(fd.get(), bytes_max, &out);
  return out;
}

Status write_all(int fd, std::string_view bytes, const std::string& shown) {
  while (!bytes.empty()) {
    ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, shown);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return ok();
}

Status replace_file(const std::string& path, std::string_view bytes, mode_t mode) { return replace(path, bytes, mode, false); }

Status replace_file_durably(const std::string& path, std::string_view bytes, mode_t mode) {
  struct stat s {};
  if (stat(path.c_str(), &s) == 0 && (s.st_mode & 07777) == mode && static_cast<size_t>(s.st_size) == bytes.size()) {
    auto old = read_file(path, bytes.size());
    if (old.ok() && *old == bytes) return ok();
  }
  TRY(replace(path, bytes, mode, true));
  std::string folder = folder_of(path);
  UniqueFd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || fsync(fd.get()) != 0) return Error::from_errno(errno, folder);
  return ok();
}

Status make_folders(const std::string& path, mode_t mode) {
  struct stat s {};
  if (stat(path.c_str(), &s) == 0) return S_ISDIR(s.st_mode) ? ok() : Status(Error::from_errno(ENOTDIR, path));
  for (size_t at = 1; at <= path.size(); at++) {
    if (at != path.size() && path[at] != '/') continue;
    std::string part = path.substr(0, at);
    if (mkdir(part.c_str(), mode) == 0) {
      if (chmod(part.c_str(), mode) != 0) return Error::from_errno(errno, cat("mkdir ", part));
    } else if (errno != EEXIST) {
      return Error::from_errno(errno, cat("mkdir ", part));
    }
  }
  return ok();
}

std::string folder_of(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace bramble

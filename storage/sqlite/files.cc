#include "storage/sqlite/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/strings.h"
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

std::string numbered_name(const std::string& path, std::string_view word, int number) { return cat(path, ".", word, "-", number); }

std::vector<int> numbered_files(const std::string& path, std::string_view word) {
  std::vector<int> out;
  const size_t slash = path.rfind('/');
  const std::string dir = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string begin = cat(path.substr(slash == std::string::npos ? 0 : slash + 1), ".", word, "-");
  DIR* d = opendir(dir.c_str());
  if (!d) return out;
  while (dirent* e = readdir(d)) {
    std::string_view name = e->d_name;
    auto number = name.starts_with(begin) ? parse_int64(name.substr(begin.size())) : std::nullopt;
    if (number && *number > 0 && *number < INT32_MAX) out.push_back(static_cast<int>(*number));
  }
  closedir(d);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace bramble

#include "core/base/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/strings.h"

namespace bramble {

// Deletes what is inside the open folder `fd`.
static Status empty_folder(UniqueFd fd, dev_t device, const std::string& shown) {
  DIR* d = fdopendir(fd.get());
  if (!d) return Error::from_errno(errno, shown);
  (void)fd.release();  // closedir closes it
  Status out = ok();
  while (dirent* e = readdir(d)) {
    std::string_view name = e->d_name;
    if (name == "." || name == "..") continue;
    if (unlinkat(dirfd(d), e->d_name, 0) == 0) continue;
    if (errno != EISDIR && errno != EPERM) {
      out = Error::from_errno(errno, cat(shown, "/", name));
      break;
    }
    UniqueFd child(openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat st {};
    if (!child.valid() || fstat(child.get(), &st) != 0) {
      out = Error::from_errno(errno, cat(shown, "/", name));
      break;
    }
    if (st.st_dev != device) {
      out = Error(Code::kIo, cat(shown, "/", name, ": something is mounted here; unmount it"));
      break;
    }
    out = empty_folder(std::move(child), device, cat(shown, "/", name));
    if (out.ok() && unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR) != 0) out = Error::from_errno(errno, cat(shown, "/", name));
    if (!out.ok()) break;
  }
  closedir(d);
  return out;
}

Result<UniqueFd> open_folder(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return Error::from_errno(errno, path);
  return fd;
}

Result<UniqueFd> open_beneath(int folder, const std::string& path, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (;;) {
    UniqueFd fd(static_cast<int>(syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how)));
    if (fd.valid()) return fd;
    if (errno != EINTR && errno != EAGAIN) return Error::from_errno(errno, path);
  }
}

Result<UniqueFd> make_folder_beneath(int folder, const std::string& name, mode_t mode) {
  bool made = mkdirat(folder, name.c_str(), mode & 0700) == 0;
  if (!made && errno != EEXIST) return Error::from_errno(errno, cat("mkdir ", name));
  TRY_ASSIGN(UniqueFd fd, open_beneath(folder, name, O_RDONLY | O_DIRECTORY));
  if (made && fchmod(fd.get(), mode) != 0) return Error::from_errno(errno, name);
  return fd;
}

std::vector<std::string> names_in(int folder, size_t max) {
  std::vector<std::string> out;
  int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);  // its own place in the list
  DIR* d = again >= 0 ? fdopendir(again) : nullptr;
  if (!d) {
    if (again >= 0) close(again);
    return out;
  }
  while (dirent* e = out.size() < max ? readdir(d) : nullptr) {
    std::string_view name = e->d_name;
    if (name != "." && name != "..") out.emplace_back(name);
  }
  closedir(d);
  return out;
}

static Status remove_entry(int folder, const std::string& name, const std::string& shown) {
  if (unlinkat(folder, name.c_str(), 0) == 0 || errno == ENOENT) return ok();
  UniqueFd fd(openat(folder, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat st {};
  if (!fd.valid() || fstat(fd.get(), &st) != 0) return errno == ENOENT ? ok() : Status(Error::from_errno(errno, shown));
  TRY(empty_folder(std::move(fd), st.st_dev, shown));
  if (unlinkat(folder, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) return Error::from_errno(errno, shown);
  return ok();
}

Status remove_tree_in(int folder, const std::string& name, std::string_view shown) { return remove_entry(folder, name, cat(shown, "/", name)); }

Status remove_tree(const std::string& path) { return remove_entry(AT_FDCWD, path, path); }

}  // namespace bramble

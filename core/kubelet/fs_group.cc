#include "core/kubelet/fs_group.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/folder.h"
#include "core/base/strings.h"

namespace bramble {

namespace {

constexpr int kDepthMax = 500;  // a folder open a level: far below what a process may have open

// Other pods may have the volume already, and swap what is in it meanwhile: everything is changed by descriptor, below the folder.
struct Giver {
  uint32_t group;
  mode_t for_files, for_folders;
  dev_t device;

  Status change(int fd, const struct stat& s, const std::string& shown) const {
    if (fchownat(fd, "", static_cast<uid_t>(-1), group, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0) return Error::from_errno(errno, shown);
    if (S_ISLNK(s.st_mode)) return ok();
    mode_t mode = (s.st_mode & 07777) | (S_ISDIR(s.st_mode) ? for_folders : for_files);
    return chmod(cat("/proc/self/fd/", fd).c_str(), mode) == 0 ? ok() : Status(Error::from_errno(errno, shown));
  }

  // What is in the folder, then the folder itself: so that one that has its mode stands for all that is in it.
  Status give(int fd, const struct stat& s, const std::string& shown, int depth) const {
    if (depth > kDepthMax) return Error(Code::kTooLarge, cat(shown, ": too deep"));
    TRY_ASSIGN(UniqueFd folder, open_beneath(fd, ".", O_RDONLY | O_DIRECTORY));
    for (const auto& name : names_in(folder.get(), SIZE_MAX)) {
      std::string below = cat(shown, "/", name);
      auto inner = open_beneath(folder.get(), name, O_PATH | O_NOFOLLOW);
      if (!inner.ok() && inner.error().code() == Code::kNotFound) continue;  // somebody was faster
      if (!inner.ok()) return inner.error();
      struct stat t;
      if (fstat(inner->get(), &t) != 0) return Error::from_errno(errno, below);
      if (t.st_dev != device) continue;
      if (S_ISDIR(t.st_mode)) TRY(give(inner->get(), t, below, depth + 1));
      else TRY(change(inner->get(), t, below));
    }
    return change(fd, s, shown);
  }
};

}  // namespace

Status give_to_group(const std::string& path, uint32_t group, bool only_on_mismatch, bool read_only) {
  const mode_t for_files = read_only ? 0440 : 0660, for_folders = for_files | 0110 | S_ISGID;
  UniqueFd fd(open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat s;
  if (!fd.valid() || fstat(fd.get(), &s) != 0) return Error::from_errno(errno, path);
  if (only_on_mismatch && s.st_gid == group && (s.st_mode & for_folders) == for_folders) return ok();
  Giver giver{group, for_files, for_folders, s.st_dev};
  return S_ISDIR(s.st_mode) ? giver.give(fd.get(), s, path, 0) : giver.change(fd.get(), s, path);
}

}  // namespace bramble

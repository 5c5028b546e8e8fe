#include "core/kubelet/fs_group.h"

#include <fcntl.h>
#include <fts.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "core/base/strings.h"

namespace bramble {

Status give_to_group(const std::string& path, uint32_t group, bool only_on_mismatch, bool read_only) {
  const mode_t for_files = read_only ? 0440 : 0660, for_folders = for_files | 0110 | S_ISGID;
  struct stat root;
  if (stat(path.c_str(), &root) != 0) return Error::from_errno(errno, path);
  if (only_on_mismatch && root.st_gid == group && (root.st_mode & for_folders) == for_folders) return ok();
  char* paths[] = {const_cast<char*>(path.c_str()), nullptr};
  std::unique_ptr<FTS, int (*)(FTS*)> walk(fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR | FTS_XDEV, nullptr), fts_close);
  if (!walk) return Error::from_errno(errno, path);
  // Folders on the way back: the outermost last, so that one that matches stands for all that is in it.
  while (FTSENT* e = fts_read(walk.get())) {
    if (e->fts_info == FTS_D) continue;
    if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS) return Error::from_errno(e->fts_errno, e->fts_path);
    if (fchownat(AT_FDCWD, e->fts_accpath, static_cast<uid_t>(-1), group, AT_SYMLINK_NOFOLLOW) != 0) return Error::from_errno(errno, e->fts_path);
    if (e->fts_info == FTS_SL || e->fts_info == FTS_SLNONE) continue;
    mode_t mode = e->fts_statp->st_mode & 07777;
    mode |= e->fts_info == FTS_DP ? for_folders : for_files;
    if (chmod(e->fts_accpath, mode) != 0) return Error::from_errno(errno, e->fts_path);
  }
  return ok();
}

}  // namespace bramble

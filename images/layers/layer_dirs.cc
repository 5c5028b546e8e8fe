#include "images/layers/layer_dirs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/folder.h"
#include "core/base/strings.h"
#include "images/layers/unpack.h"

namespace bramble {

// 96 bits of the digest: short enough that overlayfs takes about 60 layers in one page of mount options.
constexpr size_t kFolderHexDigits = 24;

Result<LayerDirs> LayerDirs::open(std::string directory) {
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return Error::from_errno(errno, directory);
  char* real = realpath(directory.c_str(), nullptr);
  if (!real) return Error::from_errno(errno, directory);
  LayerDirs out((std::string(real)));
  free(real);
  for (const std::string& name : out.list())
    if (name.ends_with(".new")) TRY(remove_tree(cat(out.directory_, "/", name)));
  return out;
}

std::string LayerDirs::folder_name(std::string_view diff_id) {
  if (diff_id.starts_with("sha256:")) diff_id.remove_prefix(7);
  return std::string(diff_id.substr(0, kFolderHexDigits));
}

std::string LayerDirs::path(std::string_view diff_id) const { return cat(directory_, "/", folder_name(diff_id)); }

bool LayerDirs::has(std::string_view diff_id) const { return access(path(diff_id).c_str(), F_OK) == 0; }

Result<int64_t> LayerDirs::unpack(const ByteSource& source, std::string_view diff_id) {
  std::string target = path(diff_id), temporary = target + ".new";
  TRY(remove_tree(temporary));
  if (mkdir(temporary.c_str(), 0755) != 0) return Error::from_errno(errno, temporary);
  auto unpacked = unpack_layer(source, temporary);
  if (!unpacked.ok() || unpacked->diff_id != diff_id) {
    Status cleaned = remove_tree(temporary);
    (void)cleaned;  // the error before it says more; the folder goes at the next open
    if (!unpacked.ok()) return unpacked.error();
    return Error(Code::kCorrupt, cat("digest of the unpacked layer is ", unpacked->diff_id, ", not ", diff_id));
  }
  if (has(diff_id)) TRY(remove_tree(target));
  if (rename(temporary.c_str(), target.c_str()) != 0) return Error::from_errno(errno, target);
  return unpacked->bytes;
}

Status LayerDirs::remove(std::string_view diff_id) {
  // Renamed first, so that a crash half-way does not leave a layer with files missing.
  std::string target = path(diff_id), doomed = target + ".new";
  if (rename(target.c_str(), doomed.c_str()) != 0) return errno == ENOENT ? ok() : Status(Error::from_errno(errno, target));
  return remove_tree(doomed);
}

std::vector<std::string> LayerDirs::list() const {
  std::vector<std::string> out;
  DIR* d = opendir(directory_.c_str());
  if (!d) return out;
  while (dirent* e = readdir(d))
    if (e->d_name[0] != '.') out.emplace_back(e->d_name);
  closedir(d);
  return out;
}

Status LayerDirs::sync() const {
  int fd = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Error::from_errno(errno, directory_);
  int failed = syncfs(fd);
  int err = errno;
  close(fd);
  return failed ? Status(Error::from_errno(err, directory_)) : ok();
}

}  // namespace bramble

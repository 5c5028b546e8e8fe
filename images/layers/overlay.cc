// Root file systems of containers: the image's layers as overlayfs lower folders, a writable upper of the container's own
// (kernel documents filesystems/overlayfs, filesystems/proc section 3.5 on mountinfo).
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/files.h"
#include "core/base/folder.h"
#include "core/base/log.h"
#include "images/local_store.h"

namespace bramble {

constexpr size_t kMountOptionBytesMax = 4095;  // one page, less its end

static Status make_folder(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) == 0) return chmod(path.c_str(), mode) == 0 ? ok() : Status(Error::from_errno(errno, path));
  return errno == EEXIST ? ok() : Status(Error::from_errno(errno, path));
}

Result<std::set<std::string>> mounted_lower_folders() {
  TRY_ASSIGN(std::string text, read_file("/proc/self/mountinfo", kNoLimit));
  std::set<std::string> out;
  for (auto line : split(text, '\n')) {
    // "... - overlay source options": lowerdir=a:b, or lowerdir+= for each in newer kernels.
    auto halves = cut(line, " - overlay ");
    if (!halves) continue;
    auto options = cut(halves->second, " ");
    if (!options) continue;
    for (auto option : split(options->second, ',')) {
      auto pair = cut(option, "=");
      if (!pair || !pair->first.starts_with("lowerdir")) continue;
      for (auto folder : split(pair->second, ':')) out.emplace(folder.substr(folder.rfind('/') + 1));
    }
  }
  return out;
}

Status LocalImageStore::mount_rootfs(const std::string& image_id, const std::string& work_dir, const std::string& target) {
  std::vector<std::string> diff_ids;
  {
    std::lock_guard lock(mutex_);
    Record* r = find_record(records_, image_id);
    if (!r) return Error(Code::kNotFound, cat("image ", image_id, ": not found"));
    diff_ids = r->diff_ids;
    for (const std::string& d : diff_ids) mounting_.insert(LayerDirs::folder_name(d));
  }
  Status mounted = mount_layers(image_id, diff_ids, work_dir, target);
  std::lock_guard lock(mutex_);
  for (const std::string& d : diff_ids) mounting_.erase(mounting_.find(LayerDirs::folder_name(d)));
  return mounted;
}

Status LocalImageStore::mount_layers(const std::string& image_id, const std::vector<std::string>& diff_ids, const std::string& work_dir,
                                     const std::string& target) const {
  TRY(make_folder(work_dir, 0700));
  TRY(make_folder(work_dir + "/upper", 0755));
  TRY(make_folder(work_dir + "/work", 0700));
  TRY(make_folder(target, 0755));
  std::string lower;
  for (size_t i = diff_ids.size(); i-- > 0;) {
    std::string path = layers_.path(diff_ids[i]);
    if (lower.find(path) != std::string::npos) continue;  // a layer listed twice (empty ones are)
    lower += cat(lower.empty() ? "" : ":", path);
  }
  if (lower.empty()) {
    TRY(make_folder(work_dir + "/empty", 0755));
    lower = work_dir + "/empty";
  }
  std::string options = cat("lowerdir=", lower, ",upperdir=", work_dir, "/upper,workdir=", work_dir, "/work");
  if (options.size() > kMountOptionBytesMax)
    return Error(Code::kTooLarge, cat("image ", image_id, ": its layers' paths need ", options.size(),
                                      " bytes of mount options; use a shorter --data-dir or an image with fewer layers"));
  if (mount("overlay", target.c_str(), "overlay", 0, options.c_str()) != 0)
    return Error::from_errno(errno, cat("overlay ", target, " (is overlayfs in this kernel, and does the file system of the data folder carry it?)"));
  return ok();
}

Status LocalImageStore::unmount_rootfs(const std::string& work_dir, const std::string& target) {
  if (umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT)
    return Error::from_errno(errno, target);
  if (rmdir(target.c_str()) != 0 && errno != ENOENT && errno != ENOTEMPTY) return Error::from_errno(errno, target);
  TRY(remove_tree(work_dir));
  if (!held_layers_) return ok();
  std::unique_lock changing(change_mutex_, std::try_to_lock);
  if (!changing.owns_lock()) return ok();  // images come or go just now: who brings or removes them looks when it is done
  Status dropped = drop_unused_layers();
  if (!dropped.ok()) log_warning("images: ", dropped.error().message());
  return ok();
}

}  // namespace bramble

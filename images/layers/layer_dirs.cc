#include "images/layers/layer_dirs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "core/base/files.h"
#include "core/base/folder.h"
#include "core/base/strings.h"
#include "images/layers/unpack.h"

namespace bramble {

// 96 bits of the digest: short enough that overlayfs takes about 60 layers in one page of mount options.
constexpr size_t kFolderHexDigits = 24;
constexpr const char* kNew = ".new";  // not there yet, or not any more

static std::vector<std::string> folders_in(const std::string& directory) {
  std::vector<std::string> out;
  DIR* d = opendir(directory.c_str());
  if (!d) return out;
  while (dirent* e = readdir(d))
    if (e->d_name[0] != '.') out.emplace_back(e->d_name);
  closedir(d);
  return out;
}

Result<LayerDirs> LayerDirs::open(std::string directory) {
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return Error::from_errno(errno, directory);
  char* real = realpath(directory.c_str(), nullptr);
  if (!real) return Error::from_errno(errno, directory);
  LayerDirs out((std::string(real)));
  free(real);
  for (const std::string& name : folders_in(out.directory_))
    if (name.ends_with(kNew)) TRY(remove_tree(cat(out.directory_, "/", name)));
  return out;
}

std::string LayerDirs::folder_name(std::string_view diff_id) {
  if (diff_id.starts_with("sha256:")) diff_id.remove_prefix(7);
  return std::string(diff_id.substr(0, kFolderHexDigits));
}

std::string LayerDirs::path(std::string_view diff_id) const { return cat(directory_, "/", folder_name(diff_id)); }

std::string LayerDirs::id_path(std::string_view diff_id) const { return cat(directory_, "/.", folder_name(diff_id), ".id"); }

// Of an older bramble there is no such file: then its word is taken.
bool LayerDirs::has(std::string_view diff_id) const {
  if (access(path(diff_id).c_str(), F_OK) != 0) return false;
  std::string whole = read_file_start(id_path(diff_id));
  return whole.empty() || trim(whole) == diff_id;
}

std::string LayerDirs::staged_path(std::string_view diff_id, std::string_view who) const {
  return cat(path(diff_id), who.empty() ? "" : ".", who, kNew);
}

Result<int64_t> LayerDirs::unpack(const ByteSource& source, std::string_view diff_id, std::vector<std::string>* implied, std::string_view who) {
  std::string temporary = staged_path(diff_id, who);
  TRY(remove_tree(temporary));
  if (mkdir(temporary.c_str(), 0755) != 0 || chmod(temporary.c_str(), 0755) != 0) return Error::from_errno(errno, temporary);
  auto unpacked = unpack_layer(source, temporary);
  if (!unpacked.ok() || unpacked->diff_id != diff_id) {
    Status cleaned = remove_tree(temporary);
    (void)cleaned;  // the error before it says more; the folder goes at the next open
    if (!unpacked.ok()) return unpacked.error();
    return Error(Code::kCorrupt, cat("digest of the unpacked layer is ", unpacked->diff_id, ", not ", diff_id));
  }
  *implied = std::move(unpacked->implied);
  return unpacked->bytes;
}

static Status copy_facts(const std::string& from, const struct stat& st, int to, const std::string& shown) {
  timespec times[2] = {st.st_atim, st.st_mtim};
  std::string names(4096, 0), value(4096, 0);
  ssize_t n = listxattr(from.c_str(), names.data(), names.size());
  for (auto name : split(std::string_view(names).substr(0, n > 0 ? static_cast<size_t>(n) : 0), '\0')) {
    std::string key(name);
    ssize_t bytes = key.empty() || key.starts_with("trusted.overlay.") ? -1 : getxattr(from.c_str(), key.c_str(), value.data(), value.size());
    if (bytes >= 0 && fsetxattr(to, key.c_str(), value.data(), static_cast<size_t>(bytes), 0) != 0 && errno != ENOTSUP) return Error::from_errno(errno, shown);
  }
  if (fchown(to, st.st_uid, st.st_gid) != 0 || fchmod(to, st.st_mode & 07777) != 0 || futimens(to, times) != 0) return Error::from_errno(errno, shown);
  return ok();
}

Status LayerDirs::inherit(const std::string& staged, const std::vector<std::string>& implied, const std::vector<std::string>& below) const {
  TRY_ASSIGN(UniqueFd layer, open_folder(staged));
  for (const std::string& folder : implied) {
    auto to = open_beneath(layer.get(), folder, O_RDONLY | O_DIRECTORY);
    if (!to.ok()) continue;  // replaced by a later entry
    struct stat st {};
    for (const std::string& root : below) {
      auto there = resolve_in_layer(root, folder + "/.", nullptr);
      if (!there.ok() && there.error().code() == Code::kNotFound) continue;
      std::string from = there.ok() ? cat(root, "/", *there) : root;
      bool is_folder = there.ok() && lstat(from.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
      if (is_folder) TRY(copy_facts(from, st, to->get(), cat(staged, "/", folder)));
      break;
    }
  }
  return ok();
}

Status LayerDirs::keep(const std::vector<Staged>& layers) {
  if (layers.empty()) return ok();
  for (const Staged& l : layers) {
    if (has(l.diff_id)) continue;
    if (access(path(l.diff_id).c_str(), F_OK) == 0) return Error(Code::kAlreadyExists, cat("layer ", l.diff_id, ": the digest of another layer of this node begins with the same digits; remove its image first"));
    TRY(replace_file(id_path(l.diff_id), cat(l.diff_id, "\n"), 0600));
  }
  TRY(sync());
  for (const Staged& l : layers) {
    std::string target = path(l.diff_id), temporary = staged_path(l.diff_id, l.who);
    if (has(l.diff_id)) TRY(remove_tree(temporary));
    else if (rename(temporary.c_str(), target.c_str()) != 0) return Error::from_errno(errno, target);
  }
  return ok();
}

Status LayerDirs::discard(std::string_view diff_id, std::string_view who) { return remove_tree(staged_path(diff_id, who)); }

Result<int64_t> LayerDirs::measure(std::string_view diff_id) const {
  std::string root = path(diff_id);
  std::set<ino_t> linked;  // files with several names are counted once
  int64_t bytes = 0;
  std::error_code ec;
  for (std::filesystem::recursive_directory_iterator it(root, ec), end; !ec && it != end; it.increment(ec)) {
    struct stat st {};
    if (lstat(it->path().c_str(), &st) != 0) return Error::from_errno(errno, it->path().string());
    if (S_ISREG(st.st_mode) && (st.st_nlink == 1 || linked.insert(st.st_ino).second)) bytes += st.st_size;
  }
  return ec ? Result<int64_t>(Error::from_errno(ec.value(), root)) : Result<int64_t>(bytes);
}

Status LayerDirs::remove(std::string_view diff_id) {
  // Renamed first, so that a crash half-way does not leave a layer with files missing.
  std::string target = path(diff_id), doomed = target + kNew;
  if (rename(target.c_str(), doomed.c_str()) != 0) return errno == ENOENT ? ok() : Status(Error::from_errno(errno, target));
  unlink(id_path(diff_id).c_str());
  return remove_tree(doomed);
}

std::vector<std::string> LayerDirs::list() const {
  std::vector<std::string> out = folders_in(directory_);
  std::erase_if(out, [](const std::string& name) { return name.ends_with(kNew); });
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

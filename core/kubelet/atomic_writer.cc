#include "core/kubelet/atomic_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "core/base/files.h"
#include "core/base/folder.h"

namespace bramble {

namespace {

constexpr const char* kData = "..data";
constexpr const char* kNextData = "..data_tmp";

bool safe_path(const std::string& path) {
  if (path.empty() || path[0] == '/') return false;
  for (auto part : split(path, '/'))
    if (part.empty() || part == "." || part.starts_with("..")) return false;
  return true;
}

uint32_t mode_of(const ProjectedFile& file, std::optional<uint32_t> fs_group) { return file.mode | (fs_group ? 0440u : 0u); }

// The payload's folders, "" among them, each with the names that it holds.
std::map<std::string, std::set<std::string>> folders_of(const Payload& payload) {
  std::map<std::string, std::set<std::string>> out = {{"", {}}};
  for (const auto& [path, file] : payload) {
    std::string folder;
    for (auto part : split(path, '/')) {
      out[folder].emplace(part);
      folder = cat(folder, folder.empty() ? "" : "/", part);
    }
  }
  return out;
}

// The name of the set that ..data shows; "" when it shows none, or is no link to one.
std::string current_set(int folder) {
  char to[256];
  ssize_t n = readlinkat(folder, kData, to, sizeof to);
  std::string name(to, n > 0 ? static_cast<size_t>(n) : 0);
  return name.starts_with("..") && name.size() > 2 && name.size() < sizeof to && name.find('/') == name.npos ? name : "";
}

bool same_file(int set, const std::string& path, const ProjectedFile& file, std::optional<uint32_t> fs_group) {
  auto fd = open_beneath(set, path, O_RDONLY | O_NONBLOCK);
  struct stat s;
  if (!fd.ok() || fstat(fd->get(), &s) != 0 || !S_ISREG(s.st_mode)) return false;
  if ((s.st_mode & 07777) != mode_of(file, fs_group) || (fs_group && s.st_gid != *fs_group) || s.st_uid != file.uid.value_or(0)) return false;
  auto bytes = read_rest(fd->get(), path, file.bytes.size());
  return bytes.ok() && *bytes == file.bytes;
}

// Looks no further than the payload goes, whatever else may lie there.
bool same_set(int folder, const std::string& set_name, const Payload& payload, std::optional<uint32_t> fs_group) {
  if (set_name.empty()) return false;
  auto set = open_beneath(folder, set_name, O_RDONLY | O_DIRECTORY);
  if (!set.ok()) return false;
  for (const auto& [path, expected] : folders_of(payload)) {
    if (payload.contains(path)) continue;
    auto inner = open_beneath(set->get(), path.empty() ? "." : path, O_RDONLY | O_DIRECTORY);
    if (!inner.ok()) return false;
    auto names = names_in(inner->get(), expected.size() + 1);
    if (std::set<std::string>(names.begin(), names.end()) != expected) return false;
  }
  for (const auto& [path, file] : payload)
    if (!same_file(set->get(), path, file, fs_group)) return false;
  return true;
}

Status write_one(int set, const std::string& path, const ProjectedFile& file, std::optional<uint32_t> fs_group) {
  TRY_ASSIGN(UniqueFd folder, open_beneath(set, ".", O_RDONLY | O_DIRECTORY));
  auto parts = split(path, '/');
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    TRY_ASSIGN(folder, make_folder_beneath(folder.get(), std::string(parts[i]), 0755));
  }
  TRY_ASSIGN(UniqueFd fd, open_beneath(folder.get(), std::string(parts.back()), O_WRONLY | O_CREAT | O_EXCL, 0600));
  TRY(write_all(fd.get(), file.bytes, path));
  if ((fs_group || file.uid) && fchown(fd.get(), file.uid.value_or(0), fs_group.value_or(0)) != 0) return Error::from_errno(errno, path);
  if (fchmod(fd.get(), mode_of(file, fs_group)) != 0) return Error::from_errno(errno, path);
  return ok();
}

Status write_set(int folder, const std::string& set_name, const Payload& payload, std::optional<uint32_t> fs_group, const std::string& dir) {
  TRY(remove_tree_in(folder, set_name, dir));
  TRY_ASSIGN(UniqueFd set, make_folder_beneath(folder, set_name, 0755));
  for (const auto& [path, file] : payload) TRY(write_one(set.get(), path, file, fs_group));
  return ok();
}

Status show_set(int folder, const std::string& set_name, const std::string& dir) {
  TRY(remove_tree_in(folder, kNextData, dir));
  if (symlinkat(set_name.c_str(), folder, kNextData) != 0) return Error::from_errno(errno, cat(dir, "/", kNextData));
  if (renameat(folder, kNextData, folder, kData) == 0) return ok();
  if (errno != EISDIR) return Error::from_errno(errno, cat(dir, "/", kData));
  TRY(remove_tree_in(folder, kData, dir));
  return renameat(folder, kNextData, folder, kData) == 0 ? ok() : Status(Error::from_errno(errno, cat(dir, "/", kData)));
}

// The names that users see are links through ..data, one for the first part of each path. What is not of this set goes.
Status tidy(int folder, const std::string& set_name, const std::set<std::string>& names, const std::string& dir) {
  for (const auto& name : names)
    if (symlinkat(cat(kData, "/", name).c_str(), folder, name.c_str()) != 0 && errno != EEXIST) return Error::from_errno(errno, cat(dir, "/", name));
  for (const auto& name : names_in(folder, SIZE_MAX)) {
    if (name == kData || name == set_name || names.contains(name)) continue;
    if (name.starts_with("..")) TRY(remove_tree_in(folder, name, dir));
    else unlinkat(folder, name.c_str(), 0);
  }
  return ok();
}

}  // namespace

Result<bool> write_payload(const std::string& dir, const Payload& payload, std::optional<uint32_t> fs_group, const std::string& stamp) {
  for (const auto& [path, file] : payload)
    if (!safe_path(path)) return Error(Code::kInvalidArgument, cat("invalid path ", path, " in a volume"));
  TRY_ASSIGN(UniqueFd folder, open_folder(dir));
  std::string set_name = current_set(folder.get());
  bool same = same_set(folder.get(), set_name, payload, fs_group);
  if (!same) {
    set_name = cat("..", stamp);
    TRY(write_set(folder.get(), set_name, payload, fs_group, dir));
    TRY(show_set(folder.get(), set_name, dir));
  }
  TRY(tidy(folder.get(), set_name, folders_of(payload)[""], dir));  // also of a set that a crash kept from being tidied
  return !same;
}

}  // namespace bramble

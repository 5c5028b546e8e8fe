#include "core/kubelet/atomic_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "core/base/unique_fd.h"

namespace bramble {

namespace fs = std::filesystem;

namespace {

constexpr const char* kData = "..data";

std::optional<ProjectedFile> read_file(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat s;
  if (!fd.valid() || fstat(fd.get(), &s) != 0 || !S_ISREG(s.st_mode)) return std::nullopt;
  ProjectedFile out;
  out.mode = s.st_mode & 07777;
  out.bytes.resize(static_cast<size_t>(s.st_size));
  if (read(fd.get(), out.bytes.data(), out.bytes.size()) != static_cast<ssize_t>(out.bytes.size())) return std::nullopt;
  return out;
}

bool safe_path(const std::string& path) {
  if (path.empty() || path[0] == '/') return false;
  for (auto part : split(path, '/'))
    if (part.empty() || part == "." || part.starts_with("..")) return false;
  return true;
}

// The set that ..data shows equals the payload.
bool same_as_current(const std::string& dir, const Payload& payload, std::optional<uint32_t> fs_group) {
  std::error_code ec;
  std::string current = cat(dir, "/", kData);
  if (!fs::exists(current, ec)) return false;
  size_t found = 0;
  for (fs::recursive_directory_iterator it(cat(current, "/"), ec), end; !ec && it != end; it.increment(ec))
    if (it->is_regular_file(ec)) ++found;
  if (found != payload.size()) return false;
  for (const auto& [path, file] : payload) {
    auto have = read_file(cat(current, "/", path));
    uint32_t mode = file.mode | (fs_group ? 0040u : 0u);
    if (!have || have->bytes != file.bytes || have->mode != mode) return false;
  }
  return true;
}

Status write_one(const std::string& path, const ProjectedFile& file, std::optional<uint32_t> fs_group) {
  std::error_code ec;
  fs::create_directories(fs::path(path).parent_path(), ec);
  if (ec) return Error::from_errno(ec.value(), path);
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) return Error::from_errno(errno, path);
  if (write(fd.get(), file.bytes.data(), file.bytes.size()) != static_cast<ssize_t>(file.bytes.size())) return Error::from_errno(errno, path);
  if (fs_group && fchown(fd.get(), 0, *fs_group) != 0) return Error::from_errno(errno, path);
  if (fchmod(fd.get(), file.mode | (fs_group ? 0040u : 0u)) != 0) return Error::from_errno(errno, path);
  return ok();
}

}  // namespace

Result<bool> write_payload(const std::string& dir, const Payload& payload, std::optional<uint32_t> fs_group, const std::string& stamp) {
  for (const auto& [path, file] : payload)
    if (!safe_path(path)) return Error(Code::kInvalidArgument, cat("invalid path ", path, " in a volume"));
  if (same_as_current(dir, payload, fs_group)) return false;
  std::error_code ec;
  std::string set_name = cat("..", stamp), set_dir = cat(dir, "/", set_name);
  fs::remove_all(set_dir, ec);
  if (mkdir(set_dir.c_str(), 0755) != 0) return Error::from_errno(errno, set_dir);
  chmod(set_dir.c_str(), 0755);
  for (const auto& [path, file] : payload) TRY(write_one(cat(set_dir, "/", path), file, fs_group));

  std::string old_set = fs::read_symlink(cat(dir, "/", kData), ec).string();
  std::string tmp = cat(dir, "/..data_tmp");
  unlink(tmp.c_str());
  if (symlink(set_name.c_str(), tmp.c_str()) != 0) return Error::from_errno(errno, tmp);
  if (rename(tmp.c_str(), cat(dir, "/", kData).c_str()) != 0) return Error::from_errno(errno, cat(dir, "/", kData));
  // Names that users see: the first part of each path.
  std::set<std::string> names;
  for (const auto& [path, file] : payload) names.insert(std::string(split(path, '/')[0]));
  for (const auto& name : names) {
    std::string link = cat(dir, "/", name), to = cat(kData, "/", name);
    if (symlink(to.c_str(), link.c_str()) != 0 && errno != EEXIST) return Error::from_errno(errno, link);
  }
  for (fs::directory_iterator it(dir, ec), end; !ec && it != end; it.increment(ec)) {
    std::string name = it->path().filename().string();
    if (!name.starts_with("..") && !names.contains(name) && it->is_symlink(ec)) unlink(it->path().c_str());
    else if (name.starts_with("..") && name != kData && name != set_name && it->is_directory(ec) && !it->is_symlink(ec)) fs::remove_all(it->path(), ec);
  }
  return true;
}

}  // namespace bramble

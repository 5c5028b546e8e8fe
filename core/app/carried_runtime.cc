#include "core/app/carried_runtime.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "core/base/files.h"
#include "core/base/folder.h"
#include "core/base/limits.h"
#include "core/base/strings.h"
#include "core/base/unique_fd.h"
#include "core/crypto/hash.h"
#include "core/runtime/carried_runc.h"
#include "images/import/archive_stream.h"

namespace bramble {

namespace {

constexpr size_t kCopyBytes = 64 * 1024;

Status write_program(std::string_view packed, const std::string& path) {
  size_t at = 0;
  DecompressedStream stream([&](char* out, size_t max) -> Result<size_t> {
    size_t n = std::min(max, packed.size() - at);
    memcpy(out, packed.data() + at, n);
    at += n;
    return n;
  });
  TRY(stream.open());
  std::string fresh = path + ".new";
  UniqueFd fd(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0700));
  if (!fd.valid() || fchmod(fd.get(), 0755) != 0) return Error::from_errno(errno, fresh);
  auto buffer = std::make_unique<char[]>(kCopyBytes);
  for (;;) {
    TRY_ASSIGN(size_t n, stream.read(buffer.get(), kCopyBytes));
    if (n == 0) break;
    TRY(write_all(fd.get(), {buffer.get(), n}, fresh));
  }
  if (fsync(fd.get()) != 0) return Error::from_errno(errno, fresh);
  fd.reset();
  if (rename(fresh.c_str(), path.c_str()) != 0) return Error::from_errno(errno, path);
  return ok();
}

Status make_current(const std::string& data, const std::string& name) {
  std::string link = data + "/current", fresh = link + ".new";
  char now[256];
  ssize_t n = readlink(link.c_str(), now, sizeof now);
  if (n > 0 && std::string_view(now, static_cast<size_t>(n)) == name) return ok();
  unlink(fresh.c_str());
  if (symlink(name.c_str(), fresh.c_str()) != 0 || rename(fresh.c_str(), link.c_str()) != 0) return Error::from_errno(errno, link);
  return ok();
}

}  // namespace

Result<std::string> unpack_runtime(std::string_view packed, const std::string& data_dir) {
  const std::string data = data_dir + "/data";
  const std::string name = sha256_hex(packed).substr(0, 16);
  const std::string folder = cat(data, "/", name);
  TRY(make_folders(folder));
  struct stat there {};
  if (stat(cat(folder, "/runc").c_str(), &there) != 0 || !S_ISREG(there.st_mode) || (there.st_mode & 0111) == 0) {
    Status written = write_program(packed, cat(folder, "/runc"));
    if (!written.ok()) return Error(written.error().code(), cat("runc cannot be unpacked: ", written.error().message()));
  }
  TRY(make_current(data, name));
  UniqueFd all(open(data.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (const std::string& old : names_in(all.get(), limits::kCarriedRuntimesMax)) {
    if (old != name && old != "current") TRY(remove_tree(cat(data, "/", old)));
  }
  return data + "/current/runc";
}

Result<std::string> node_runtime(const std::string& chosen, const std::string& data_dir) {
  if (!chosen.empty()) return chosen;
  if (carried_runc().empty()) return std::string("runc");
  return unpack_runtime(carried_runc(), data_dir);
}

}  // namespace bramble

#include "core/kubelet/node_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "core/base/unique_fd.h"

namespace bramble {

std::string read_node_file(const std::string& path, size_t bytes_max) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::string out;
  char buffer[16 * 1024];
  ssize_t n;
  while (fd.valid() && out.size() < bytes_max && (n = read(fd.get(), buffer, sizeof buffer)) > 0) out.append(buffer, static_cast<size_t>(n));
  if (out.size() > bytes_max) out.resize(bytes_max);
  return out;
}

Status write_node_file(const std::string& path, std::string_view bytes, unsigned mode) {
  std::string tmp = cat(path, ".tmp");
  UniqueFd fd(open(tmp.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!fd.valid()) return Error::from_errno(errno, tmp);
  if (write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) return Error::from_errno(errno, tmp);
  if (rename(tmp.c_str(), path.c_str()) != 0) return Error::from_errno(errno, path);
  return ok();
}

Status make_node_dirs(const std::string& path) {
  std::error_code ec;
  std::filesystem::create_directories(path, ec);
  return ec ? Status(Error::from_errno(ec.value(), cat("mkdir ", path))) : ok();
}

}  // namespace bramble

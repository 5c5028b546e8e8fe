#include "cni/kernel_module.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/strings.h"
#include "core/base/unique_fd.h"

namespace bramble {

Status load_kernel_module(const std::string& name) {
  char buffer[256];
  UniqueFd setting(open("/proc/sys/kernel/modprobe", O_RDONLY | O_CLOEXEC));
  ssize_t n = setting.valid() ? read(setting.get(), buffer, sizeof buffer) : -1;
  std::string program(trim(std::string_view(buffer, n > 0 ? static_cast<size_t>(n) : 0)));
  if (program.empty()) return Error(Code::kUnavailable, cat("module ", name, ": this kernel loads no modules"));
  std::string module = name, quiet = "-q", end = "--";
  char* arguments[] = {program.data(), quiet.data(), end.data(), module.data(), nullptr};
  char* environment[] = {nullptr};
  pid_t pid = 0;
  int err = posix_spawn(&pid, program.c_str(), nullptr, nullptr, arguments, environment);
  if (err != 0) return Error::from_errno(err, cat("module ", name, ": ", program));
  int status = 0;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return Error::from_errno(errno, cat("module ", name, ": ", program));
  if (status != 0) return Error(Code::kNotFound, cat("module ", name, ": ", program, " did not load it; install the kernel's modules"));
  return ok();
}

}  // namespace bramble

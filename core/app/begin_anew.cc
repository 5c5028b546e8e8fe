#include "core/app/begin_anew.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/base/log.h"

namespace bramble {

void begin_anew(uint64_t open_files) {
  auto text = read_file("/proc/self/cmdline", kNoLimit);
  if (!text.ok()) return log_error("begin anew: ", text.error().message());
  std::vector<char*> arguments;
  for (size_t at = 0; at < text->size(); at += std::strlen(text->data() + at) + 1) arguments.push_back(text->data() + at);
  arguments.push_back(nullptr);
  rlimit files{};
  if (open_files != 0 && getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = open_files;
    setrlimit(RLIMIT_NOFILE, &files);  // it had that limit before: cannot fail
  }
  execv("/proc/self/exe", arguments.data());
  log_error("begin anew: ", Error::from_errno(errno, "/proc/self/exe").message());
}

uint64_t raise_open_files() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return 0;
  rlim_t before = std::exchange(files.rlim_cur, files.rlim_max);
  if (setrlimit(RLIMIT_NOFILE, &files) != 0) log_warning("open files: ", Error::from_errno(errno, "setrlimit").message());
  return before;
}

}  // namespace bramble

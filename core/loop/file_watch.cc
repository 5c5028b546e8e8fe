#include "core/loop/file_watch.h"

#include <sys/inotify.h>

#include <cerrno>
#include <cstring>

namespace bramble {

Result<std::unique_ptr<FileWatch>> FileWatch::start(const std::string& path,
                                                    std::function<void(const std::string&)> changed) {
  UniqueFd fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd.valid()) return Error::from_errno(errno, "inotify");
  uint32_t mask =
      IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVED_FROM | IN_MOVED_TO | IN_MOVE_SELF | IN_ATTRIB;
  if (inotify_add_watch(fd.get(), path.c_str(), mask) < 0) return Error::from_errno(errno, cat("watch ", path));
  return std::unique_ptr<FileWatch>(new FileWatch(std::move(fd), std::move(changed)));
}

FileWatch::FileWatch(UniqueFd fd, std::function<void(const std::string&)> changed)
    : fd_(std::move(fd)),
      changed_(std::move(changed)),
      watch_(fd_.get(), FdWatch::kReadable, [this](int) { drain(); }) {}

void FileWatch::drain() {
  std::shared_ptr<bool> alive = alive_;
  alignas(inotify_event) char bytes[4096];
  for (;;) {
    ssize_t n = read(fd_.get(), bytes, sizeof bytes);
    if (n <= 0) return;
    for (ssize_t at = 0; at < n;) {
      inotify_event event;
      std::memcpy(&event, bytes + at, sizeof event);
      std::string name = event.len ? std::string(bytes + at + sizeof event) : std::string();
      at += static_cast<ssize_t>(sizeof event + event.len);
      if (event.mask & IN_IGNORED) continue;
      auto changed = changed_;
      changed(name);
      if (!*alive) return;
    }
  }
}

}  // namespace bramble

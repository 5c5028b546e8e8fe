#include "core/kubelet/memory_watch.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/strings.h"

namespace bramble {

// 150 ms of stall within 2 s: upstream has no figure; this window is the shortest that needs no privilege.
static constexpr char kStalls[] = "some 150000 2000000";

MemoryWatch::MemoryWatch(const Cgroups& cgroups, std::function<void()> tight) : cgroups_(cgroups), tight_(std::move(tight)) { watch_stalls(); }

// The kernel tells of a trigger as of an exceptional condition; an epoll that waits for that is readable then.
void MemoryWatch::watch_stalls() {
  stalls_.reset(open("/proc/pressure/memory", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!stalls_.valid() || write(stalls_.get(), kStalls, sizeof kStalls) < 0) return;
  stalls_poll_.reset(epoll_create1(EPOLL_CLOEXEC));
  epoll_event wanted{};
  wanted.events = EPOLLPRI;
  if (!stalls_poll_.valid() || epoll_ctl(stalls_poll_.get(), EPOLL_CTL_ADD, stalls_.get(), &wanted) != 0) return;
  auto ready = [this](int) {
    epoll_event event{};
    epoll_wait(stalls_poll_.get(), &event, 1, 0);  // takes it
    tight_();
  };
  stalls_watch_ = std::make_unique<FdWatch>(stalls_poll_.get(), FdWatch::kReadable, ready);
}

void MemoryWatch::mark(uint64_t usage_bytes) {
  if (cgroups_.v2() || !cgroups_.has_controller("memory")) return;
  constexpr uint64_t kMuch = 4 << 20;
  const uint64_t apart = usage_bytes > marked_bytes_ ? usage_bytes - marked_bytes_ : marked_bytes_ - usage_bytes;
  if (mark_watch_ && apart < kMuch) return;
  const std::string root = cgroups_.folder("memory", "/");
  mark_watch_.reset();
  mark_.reset(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));  // closing the last one takes its mark away
  if (!usage_.valid()) usage_.reset(open(cat(root, "/memory.usage_in_bytes").c_str(), O_RDONLY | O_CLOEXEC));
  UniqueFd control(open(cat(root, "/cgroup.event_control").c_str(), O_WRONLY | O_CLOEXEC));
  const std::string line = cat(mark_.get(), " ", usage_.get(), " ", usage_bytes);
  if (!mark_.valid() || !usage_.valid() || !control.valid() || write(control.get(), line.data(), line.size()) < 0) {
    log_debug("kubelet: the kernel sets no marks on memory here");
    return;
  }
  marked_bytes_ = usage_bytes;
  auto ready = [this](int) {
    uint64_t times = 0;
    if (read(mark_.get(), &times, sizeof times) == sizeof times) tight_();
  };
  mark_watch_ = std::make_unique<FdWatch>(mark_.get(), FdWatch::kReadable, ready);
}

}  // namespace bramble

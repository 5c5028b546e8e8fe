#include "core/kubelet/oom_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/base/eviction_limits.h"
#include "core/base/strings.h"

namespace bramble {

std::optional<OomReader::Victim> OomReader::read(std::string_view record) {
  auto halves = cut(record, ";");
  if (!halves) return std::nullopt;
  auto priority = parse_int64(halves->first.substr(0, halves->first.find(',')));
  if (!priority || *priority >> 3 != 0) return std::nullopt;  // not the kernel's facility
  std::string_view text = halves->second;
  if (auto end = text.find('\n'); end != std::string_view::npos) text = text.substr(0, end);
  // Whose want it was is said before the victim is named; a limit's own is named by that cgroup.
  if (text.find("invoked oom-killer:") != std::string_view::npos) of_machine_ = true;
  if (text.starts_with("oom-kill:") && text.find(",oom_memcg=") != std::string_view::npos) of_machine_ = false;
  constexpr std::string_view kKilled = "Killed process ";
  auto at = text.find(kKilled);
  if (at == std::string_view::npos) return std::nullopt;
  const bool whole = of_machine_ && !text.starts_with("Memory cgroup out of memory");
  of_machine_ = false;
  text.remove_prefix(at + kKilled.size());
  auto open = text.find(" ("), close = text.rfind(')', text.find("total-vm"));
  auto pid = parse_int64(text.substr(0, text.find_first_not_of("0123456789")));
  if (!whole || !pid || open == std::string_view::npos || close == std::string_view::npos || close < open + 2) return std::nullopt;
  return Victim{std::string(text.substr(open + 2, close - open - 2)), *pid};
}

std::string oom_message(const OomReader::Victim& victim) { return cat("System OOM encountered, victim process: ", victim.process, ", pid: ", victim.pid); }

std::unique_ptr<OomWatch> OomWatch::start(const std::string& path, std::function<void(OomReader::Victim)> ended) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) return nullptr;
  lseek(fd.get(), 0, SEEK_END);
  return std::unique_ptr<OomWatch>(new OomWatch(std::move(fd), std::move(ended)));
}

OomWatch::OomWatch(UniqueFd fd, std::function<void(OomReader::Victim)> ended)
    : fd_(std::move(fd)), ended_(std::move(ended)), watch_(fd_.get(), FdWatch::kReadable, [this](int) { drain(); }) {}

// One record a read; one that was written over before it was read is passed by (EPIPE).
void OomWatch::drain() {
  char record[limits::kKernelLogRecordBytesMax];
  for (;;) {
    const ssize_t n = ::read(fd_.get(), record, sizeof record);
    if (n < 0 && (errno == EPIPE || errno == EINTR)) continue;
    if (n <= 0) return;
    if (auto victim = reader_.read(std::string_view(record, static_cast<size_t>(n)))) ended_(*victim);
  }
}

}  // namespace bramble

// OomWatch: tells in an Event of the node when the kernel ended a process because the whole machine was out of memory; of one
// that a limit of its own ended, its pod's status tells. Reads the kernel's log as it is written (Documentation/ABI/testing/dev-kmsg),
// from its end on. Only the kernel's own lines count: anybody may write into that log. Loop thread.
// (Upstream: pkg/kubelet/oom, with cAdvisor's parser.)
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/unique_fd.h"
#include "core/loop/loop.h"

namespace bramble {

// What follows from the lines so far. Pure.
class OomReader {
 public:
  struct Victim {
    std::string process;
    int64_t pid = 0;
  };
  // A record of /dev/kmsg: "4,1234,5678,-;Out of memory: Killed process 12 (name) ...". A victim of the whole machine's want.
  std::optional<Victim> read(std::string_view record);

 private:
  bool of_machine_ = false;
};
// "System OOM encountered, victim process: stress, pid: 123"
std::string oom_message(const OomReader::Victim& victim);

class OomWatch {
 public:
  // Nothing when the log cannot be read here.
  static std::unique_ptr<OomWatch> start(const std::string& path, std::function<void(OomReader::Victim)> ended);

 private:
  OomWatch(UniqueFd fd, std::function<void(OomReader::Victim)> ended);
  void drain();
  UniqueFd fd_;
  std::function<void(OomReader::Victim)> ended_;
  OomReader reader_;
  FdWatch watch_;
};

}  // namespace bramble

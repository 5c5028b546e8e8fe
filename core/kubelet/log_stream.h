// A container's log as a stream of bytes for kubectl logs: the CRI file without its stamps, from a tail, a time, with follow
// across rotations. Loop thread; waits by inotify, reads in offload().
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "core/client/node_streams.h"

namespace bramble {

// Those who follow a log and want to know when a container has ended. Loop thread; shared, because a stream may outlive the
// kubelet that opened it.
class LogFollowers {
 public:
  void add(Event* e) { waiting_.insert(e); }
  void remove(Event* e) { waiting_.erase(e); }
  void wake();
  void close() { closed_ = true, wake(); }  // the kubelet goes: streams end
  bool closed() const { return closed_; }

 private:
  std::set<Event*> waiting_;
  bool closed_ = false;
};

// ended: whether the container writes no more; asked when the file is at its end. kNotFound: there is no such file.
Task<Result<std::unique_ptr<DuplexStream>>> open_log_stream(std::string path, LogOptions options, int64_t now_us, std::function<bool()> ended,
                                                            std::shared_ptr<LogFollowers> followers);

}  // namespace bramble

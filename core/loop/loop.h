// Loop: one thread's event loop over libuv, and the things that wait on it. The only room that includes uv.h.
// A Loop is made, run and destroyed on one thread; post() alone may be called from others. libuv handles live on the heap
// until their close callback, so any awaiter here may be dropped at any time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/loop/task.h"

struct uv_loop_s;

namespace bramble {

// Where offloaded work waits for a thread. kLong is for jobs of minutes (an image's import): one at a time, so that the rest
// (mounts, addresses, small files) never waits for them, not on a board with one core either. kLayer is for unpacking what is
// still being downloaded, which waits for the network between.
enum class OffloadLane { kShort, kLong, kLayer };
constexpr size_t kOffloadLanes = 3;

namespace loop_detail {
// Jobs of one lane that this loop has given away; beyond limits::kOffloadJobsMax a caller waits for room.
struct OffloadGate {
  size_t jobs = 0;
  Event room;
  bool full() const;
};
}  // namespace loop_detail

class Loop {
 public:
  Loop();
  ~Loop();  // runs what is needed to close every handle
  Loop(const Loop&) = delete;

  static Loop& current();           // the loop whose thread this is; CHECKs that there is one
  void run();                       // until stop()
  void stop();                      // this thread
  void post(std::function<void()>); // any thread: runs fn on the loop's thread, in order of posting
  int64_t now_us() const;           // monotonic
  uint64_t turns() const;           // how often it woke: of an idle loop this stands still
  uv_loop_s* raw() { return uv_; }
  loop_detail::OffloadGate& offload_gate(OffloadLane lane) { return gates_[static_cast<size_t>(lane)]; }  // offload()'s own

  // What other threads keep when they may live longer than the loop.
  class Remote {
   public:
    Remote() = default;
    // Any thread. False when the loop is gone: fn is destroyed and never runs.
    bool post(std::function<void()> fn) const;

   private:
    friend class Loop;
    struct Mailbox;
    std::shared_ptr<Mailbox> mailbox_;
  };
  Remote remote() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  uv_loop_s* uv_;
  loop_detail::OffloadGate gates_[kOffloadLanes];
};

// Waits. Dropping the task cancels the timer.
Task<void> sleep_ms(int64_t ms);

// Runs a blocking function on worker threads (two to four of the short lane, one of the long; started on demand, gone when
// idle) and gives its value on this loop. When the task is dropped after fn was handed over, fn still runs to its end and its
// value is thrown away; so fn owns all that it touches, or points to what lives until an OffloadHalt was quiet. fn must not
// touch state of the loop's thread.
template <class F>
auto offload(F fn, OffloadLane lane = OffloadLane::kShort) -> Task<decltype(fn())>;

// While one lives no offloaded work begins in any lane: what waited for a thread and what comes is thrown away, and its tasks
// never resume. For the end of a process: once quiet() says so, no worker thread touches anything any more.
class OffloadHalt {
 public:
  OffloadHalt();
  ~OffloadHalt();  // work is taken again
  OffloadHalt(const OffloadHalt&) = delete;
  // Waits for what runs already; false when that takes longer.
  Task<bool> quiet(int64_t timeout_ms);
};

// A timer that may be armed and disarmed at will, for code that is not a coroutine.
class Timer {
 public:
  explicit Timer(std::function<void()> fire);
  ~Timer();
  Timer(const Timer&) = delete;
  void arm_ms(int64_t ms);  // replaces an earlier time
  void disarm();
  bool armed() const;

 private:
  struct Impl;
  Impl* impl_;
};

// Calls back while a file descriptor is readable or writable; does not own the descriptor.
class FdWatch {
 public:
  enum Events { kReadable = 1, kWritable = 2 };
  FdWatch(int fd, int events, std::function<void(int events)> ready);
  ~FdWatch();
  FdWatch(const FdWatch&) = delete;

 private:
  struct Impl;
  Impl* impl_;
};

// POSIX signals as callbacks on the loop.
class SignalWatch {
 public:
  SignalWatch(int signum, std::function<void()> on_signal);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;

 private:
  struct Impl;
  Impl* impl_;
};

// A started process. Standard streams: /dev/null, or a file descriptor given by the caller (not owned), or collected.
struct ProcessSpec {
  std::vector<std::string> argv;               // argv[0] is looked up in PATH
  std::vector<std::string> env;                // "K=V"; empty: inherit
  std::string cwd;
  std::string stdin_data;
  int stdin_fd = -1, stdout_fd = -1, stderr_fd = -1;  // -1: stdout and stderr are collected (limited), stdin is stdin_data
  int64_t timeout_ms = 0;                      // 0: none; else SIGKILL and kTimeout
};
struct ProcessResult {
  int exit_code = 0;    // 128 + signal when killed
  int signal = 0;
  std::string out, err;  // each cut at limits::kProcessOutputBytesMax
};
// kNotFound when argv[0] is not there. A non-zero exit is a value, not an error. Dropping the task kills the process.
Task<Result<ProcessResult>> run_process(ProcessSpec spec);

namespace loop_detail {
// Runs work on the pool, then done on the loop, unless the returned ticket is dropped first.
struct OffloadTicket {
  std::shared_ptr<bool> dropped = std::make_shared<bool>(false);
  OffloadTicket() = default;
  OffloadTicket(const OffloadTicket&) = delete;
  ~OffloadTicket() { *dropped = true; }
};
void offload_start(OffloadLane lane, std::function<void()> work, std::function<void()> done, std::shared_ptr<bool> dropped);
}  // namespace loop_detail

template <class F>
auto offload(F fn, OffloadLane lane) -> Task<decltype(fn())> {
  using T = decltype(fn());
  struct Shared {
    F fn;
    std::optional<T> value;
  };
  loop_detail::OffloadGate& gate = Loop::current().offload_gate(lane);
  while (gate.full()) co_await gate.room.wait();
  auto shared = std::make_shared<Shared>(Shared{std::move(fn), std::nullopt});
  Event done;
  loop_detail::OffloadTicket ticket;
  std::function<void()> work = [shared] { shared->value.emplace(shared->fn()); };
  std::function<void()> finish = [&done] { done.set(); };
  loop_detail::offload_start(lane, std::move(work), std::move(finish), ticket.dropped);
  co_await done.wait();
  co_return std::move(*shared->value);
}

}  // namespace bramble

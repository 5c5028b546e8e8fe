// The worker pool behind offload(): threads start when work waits and no worker is free, and end when idle, so that a
// quiet process has none. One pool for the process, never destroyed: a worker may be inside a blocking call at exit.
#include <pthread.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include "core/base/limits.h"
#include "core/loop/loop.h"

namespace bramble::loop_detail {

namespace {

struct Job {
  std::function<void()> work;
  std::function<void()> finish;  // posts the result home
  uint64_t working_on = 0;       // of who sent it
};

class WorkerPool {
 public:
  void submit(Job job) {
    std::lock_guard<std::mutex> lock(mu_);
    if (halts_ > 0) return;  // the caller destroys it
    jobs_.push_back(std::move(job));
    if (idle_ >= jobs_.size()) {
      wake_.notify_one();
    } else if (threads_ < threads_max_) {
      start_thread();
    }
  }

  void halt() {
    std::deque<Job> unrun;  // destroyed when the lock is gone: what it owns may want the pool
    std::lock_guard<std::mutex> lock(mu_);
    halts_++;
    unrun.swap(jobs_);
  }
  void go_on() {
    std::lock_guard<std::mutex> lock(mu_);
    halts_--;
  }
  // While halted: tell is called once nothing runs, on whatever thread.
  void when_quiet(std::function<void()> tell) {
    std::lock_guard<std::mutex> lock(mu_);
    if (running_ > 0) return quiet_.push_back(std::move(tell));
    tell();
  }

 private:
  // With mu_ held.
  void start_thread() {
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, limits::kOffloadStackBytes);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_t id;
    int rc = pthread_create(
        &id, &attr,
        [](void* self) -> void* {
          static_cast<WorkerPool*>(self)->serve();
          return nullptr;
        },
        this);
    pthread_attr_destroy(&attr);
    // Without any worker the jobs would never run; with some they wait their turn.
    CHECK(rc == 0 || threads_ > 0, "pthread_create: error ", rc);
    if (rc == 0) threads_++;
  }

  void serve() {
    pthread_setname_np(pthread_self(), "offload");
    std::unique_lock<std::mutex> lock(mu_);
    for (;;) {
      if (jobs_.empty()) {
        idle_++;
        bool work_came =
            wake_.wait_for(lock, std::chrono::milliseconds(limits::kOffloadIdleMs), [&] { return !jobs_.empty(); });
        idle_--;
        if (!work_came) {
          threads_--;
          return;
        }
      }
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      running_++;
      lock.unlock();
      {
        WorkingOn its_own(job.working_on);
        job.work();
        job.work = nullptr;
      }
      job.finish();
      job.finish = nullptr;
      lock.lock();
      if (--running_ > 0) continue;
      for (auto& tell : std::exchange(quiet_, {})) tell();
    }
  }

  static size_t worker_count() {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (cores < 1) return 1;
    return static_cast<size_t>(cores) < limits::kOffloadThreadsMax ? static_cast<size_t>(cores)
                                                                   : limits::kOffloadThreadsMax;
  }

  std::mutex mu_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  size_t threads_ = 0;
  size_t idle_ = 0;
  size_t running_ = 0;  // jobs
  size_t halts_ = 0;
  std::vector<std::function<void()>> quiet_;  // to tell when nothing runs
  const size_t threads_max_ = worker_count();
};

WorkerPool& pool() {
  static WorkerPool* one = new WorkerPool;
  return *one;
}

}  // namespace

void offload_start(std::function<void()> work, std::function<void()> done, std::shared_ptr<bool> dropped) {
  Loop::Remote home = Loop::current().remote();
  Job job;
  job.work = std::move(work);
  job.working_on = WorkingOn::now();
  job.finish = [home, done = std::move(done), dropped = std::move(dropped)] {
    home.post([done, dropped] {
      if (!*dropped) done();
    });
  };
  pool().submit(std::move(job));
}

}  // namespace bramble::loop_detail

namespace bramble {

OffloadHalt::OffloadHalt() { loop_detail::pool().halt(); }
OffloadHalt::~OffloadHalt() { loop_detail::pool().go_on(); }

Task<bool> OffloadHalt::quiet(int64_t timeout_ms) {
  Event over;
  bool quiet = false;
  loop_detail::OffloadTicket ticket;
  Loop::Remote home = Loop::current().remote();
  std::function<void()> here = [&over, &quiet, dropped = ticket.dropped] {
    if (*dropped) return;
    quiet = true;
    over.set();
  };
  loop_detail::pool().when_quiet([home, here] { home.post(here); });
  Timer deadline([&over] { over.set(); });
  deadline.arm_ms(timeout_ms);
  co_await over.wait();
  co_return quiet;
}

}  // namespace bramble

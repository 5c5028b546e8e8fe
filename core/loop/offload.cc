// The worker threads behind offload(): of each lane some, which start when work waits and none is free, and end when idle, so
// that a quiet process has none. They belong to the process and are never destroyed: one may be inside a blocking call at exit.
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include "core/base/limits.h"
#include "core/loop/loop.h"

namespace bramble::loop_detail {

bool OffloadGate::full() const { return jobs >= limits::kOffloadJobsMax; }

namespace {

// A job's place in its loop's gate: free once the job is destroyed, run or not.
class Place {
 public:
  Place(Loop* loop, OffloadLane lane) : home_(loop->remote()), lane_(lane) { loop->offload_gate(lane).jobs++; }
  Place(const Place&) = delete;
  ~Place() {
    home_.post([lane = lane_] {
      OffloadGate& gate = Loop::current().offload_gate(lane);
      if (gate.jobs-- == limits::kOffloadJobsMax) gate.room.pulse();
    });
  }

 private:
  Loop::Remote home_;
  OffloadLane lane_;
};

struct Job {
  std::function<void()> work;
  std::function<void()> finish;  // posts the result home
  uint64_t working_on = 0;       // of who sent it
  std::unique_ptr<Place> place;
};

class WorkerPool {
 public:
  WorkerPool() {
    long cores = std::max(sysconf(_SC_NPROCESSORS_ONLN), 1L);
    lane(OffloadLane::kShort).threads_max = std::clamp(static_cast<size_t>(cores), limits::kOffloadThreadsMin, limits::kOffloadThreadsMax);
    lane(OffloadLane::kLong).threads_max = limits::kOffloadLongThreads;
    lane(OffloadLane::kLayer).threads_max = limits::kOffloadLayerThreads;
  }

  void submit(OffloadLane where, Job job) {
    std::lock_guard<std::mutex> lock(mu_);
    if (halts_ > 0) return;  // the caller destroys it
    Lane& l = lane(where);
    l.jobs.push_back(std::move(job));
    if (l.idle >= l.jobs.size()) {
      l.wake.notify_one();
    } else if (l.threads < l.threads_max) {
      start_thread(&l);
    }
  }

  void halt() {
    std::vector<std::deque<Job>> unrun;  // destroyed when the lock is gone: what they own may want the pool
    std::lock_guard<std::mutex> lock(mu_);
    halts_++;
    for (Lane& l : lanes_) unrun.push_back(std::exchange(l.jobs, {}));
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
  struct Lane {
    std::condition_variable wake;
    std::deque<Job> jobs;
    size_t threads = 0;
    size_t idle = 0;
    size_t threads_max = 0;
  };
  Lane& lane(OffloadLane which) { return lanes_[static_cast<size_t>(which)]; }

  // With mu_ held.
  void start_thread(Lane* l) {
    struct Start {
      WorkerPool* pool;
      Lane* lane;
    };
    auto start = std::make_unique<Start>(Start{this, l});
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, limits::kOffloadStackBytes);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_t id;
    int rc = pthread_create(
        &id, &attr,
        [](void* given) -> void* {
          Start begin = *std::unique_ptr<Start>(static_cast<Start*>(given));
          begin.pool->serve(begin.lane);
          return nullptr;
        },
        start.get());
    pthread_attr_destroy(&attr);
    // Without any worker the jobs would never run; with some they wait their turn.
    CHECK(rc == 0 || l->threads > 0, "pthread_create: error ", rc);
    if (rc != 0) return;
    start.release();
    l->threads++;
  }

  void serve(Lane* l) {
    pthread_setname_np(pthread_self(), "offload");
    std::unique_lock<std::mutex> lock(mu_);
    for (;;) {
      if (l->jobs.empty()) {
        l->idle++;
        bool work_came = l->wake.wait_for(lock, std::chrono::milliseconds(limits::kOffloadIdleMs), [l] { return !l->jobs.empty(); });
        l->idle--;
        if (!work_came) {
          l->threads--;
          return;
        }
      }
      {
        Job job = std::move(l->jobs.front());
        l->jobs.pop_front();
        running_++;
        lock.unlock();
        run(&job);
      }
      lock.lock();
      if (--running_ > 0) continue;
      for (auto& tell : std::exchange(quiet_, {})) tell();
    }
  }

  static void run(Job* job) {
    {
      WorkingOn its_own(job->working_on);
      job->work();
      job->work = nullptr;
    }
    job->finish();
  }

  std::mutex mu_;
  Lane lanes_[kOffloadLanes];
  size_t running_ = 0;  // jobs
  size_t halts_ = 0;
  std::vector<std::function<void()>> quiet_;  // to tell when nothing runs
};

WorkerPool& pool() {
  static WorkerPool* one = new WorkerPool;
  return *one;
}

}  // namespace

void offload_start(OffloadLane lane, std::function<void()> work, std::function<void()> done, std::shared_ptr<bool> dropped) {
  Loop& loop = Loop::current();
  Job job;
  job.work = std::move(work);
  job.working_on = WorkingOn::now();
  job.place = std::make_unique<Place>(&loop, lane);
  job.finish = [home = loop.remote(), done = std::move(done), dropped = std::move(dropped)] {
    home.post([done, dropped] {
      if (!*dropped) done();
    });
  };
  pool().submit(lane, std::move(job));
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

#include "images/pull/image_puller.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/base/working_on.h"

namespace bramble {

std::vector<std::string> root_certificate_files() {
  std::vector<std::string> out;
  if (const char* own = getenv("SSL_CERT_FILE"); own && *own) out.emplace_back(own);
  for (const char* known : {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/pki/tls/cacert.pem",
                            "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem"})
    out.emplace_back(known);
  return out;
}

struct ImagePuller::Call {
  Event done;
  std::optional<Result<ImageInfo>> result;
};

class ImagePuller::Worker {
 public:
  Worker(const Options& options, PullStore& store) : options_(options), store_(store) {
    std::unique_lock lock(mutex_);
    thread_ = std::thread([this] { run(); });
    ready_.wait(lock, [this] { return service_ != nullptr; });
  }
  ~Worker() {
    remote_.post([] { Loop::current().stop(); });
    thread_.join();
  }
  Worker(const Worker&) = delete;

  void begin(uint64_t id, PullRequest request, std::shared_ptr<Call> call) {
    Loop::Remote home = Loop::current().remote();
    uint64_t number = WorkingOn::now();
    remote_.post([this, id, request = std::move(request), call = std::move(call), home, number] {
      WorkingOn same(number);
      service_->begin(id, request, call, home);
    });
  }
  // over: called where the caller is, when nothing of it is left on the thread.
  void end(uint64_t id, std::function<void()> over) {
    Loop::Remote home = Loop::current().remote();
    remote_.post([this, id, home, over = std::move(over)] {
      service_->end(id);
      home.post(over);
    });
  }

 private:
  // All that lives on the thread.
  class Service {
   public:
    Service(const Options& options, PullStore& store) : path_(options.registries_path), engine_(options.engine, store) {}
    void begin(uint64_t id, PullRequest request, std::shared_ptr<Call> call, Loop::Remote home) {
      pulls_[id] = std::make_unique<TaskGroup>();
      pulls_[id]->start(work(std::move(request), std::move(call), home));
    }
    void end(uint64_t id) { pulls_.erase(id); }

   private:
    Task<void> work(PullRequest request, std::shared_ptr<Call> call, Loop::Remote home) {
      auto registries = registries_now();
      auto result = std::make_shared<Result<ImageInfo>>(Error(Code::kInternal, "unset"));
      if (!registries.ok()) {
        *result = registries.error();
      } else {
        auto pulled = co_await engine_.pull(std::move(request), *registries);
        *result = std::move(pulled);
      }
      home.post([call, result] {
        call->result.emplace(std::move(*result));
        call->done.set();
      });
    }
    Result<std::shared_ptr<const Registries>> registries_now() {
      struct stat st {};
      bool there = !path_.empty() && stat(path_.c_str(), &st) == 0;
      std::string mark = there ? cat(st.st_ino, " ", st.st_size, " ", st.st_mtim.tv_sec, " ", st.st_mtim.tv_nsec) : "none";
      if (registries_ && mark == mark_) return registries_;
      if (!there) {
        registries_ = std::make_shared<const Registries>();
      } else {
        TRY_ASSIGN(Registries read, Registries::load(path_));
        registries_ = std::make_shared<const Registries>(std::move(read));
      }
      mark_ = mark;
      return registries_;
    }

    std::string path_, mark_;
    std::shared_ptr<const Registries> registries_;
    PullEngine engine_;
    std::map<uint64_t, std::unique_ptr<TaskGroup>> pulls_;
  };

  void run() {
    pthread_setname_np(pthread_self(), "pull");
    Loop loop;
    auto service = std::make_unique<Service>(options_, store_);
    {
      std::lock_guard lock(mutex_);
      remote_ = loop.remote();
      service_ = service.get();
    }
    ready_.notify_one();
    loop.run();
    service.reset();
  }

  Options options_;
  PullStore& store_;
  std::mutex mutex_;
  std::condition_variable ready_;
  Loop::Remote remote_;
  Service* service_ = nullptr;
  std::thread thread_;
};

// A pull's place among those that may run, and its work on the thread: both end with the task that owns it.
struct ImagePuller::Place {
  Place(ImagePuller* of, uint64_t number) : puller(of), id(number) { puller->running_++; }
  ~Place() {
    puller->running_--;
    if (puller->worker_) {
      ++*puller->ending_;
      // A thread that removes a tree is not waited for: it ends when it has nothing left to do.
      std::weak_ptr<size_t> ending = puller->ending_;
      puller->worker_->end(id, [ending, of = puller] {
        auto still = ending.lock();
        if (still && --*still == 0) of->rest();
      });
    }
    puller->turns_.pulse();
  }
  Place(const Place&) = delete;
  ImagePuller* puller;
  uint64_t id;
};

ImagePuller::ImagePuller(Options options, PullStore& store)
    : options_(std::move(options)), store_(store), idle_([this] {
        if (running_ == 0 && *ending_ == 0) worker_.reset();
      }) {
  if (options_.parallel_max == 0) options_.parallel_max = 1;
  if (options_.engine.surroundings.root_files.empty()) options_.engine.surroundings.root_files = root_certificate_files();
}

ImagePuller::~ImagePuller() {
  ending_.reset();
  stop();
}

void ImagePuller::rest() {
  if (running_ == 0 && waiting_ == 0 && worker_) idle_.arm_ms(limits::kPullThreadIdleMs);
}

void ImagePuller::stop() {
  stopped_ = true;
  idle_.disarm();
  worker_.reset();
}

Task<Result<PullOutcome>> ImagePuller::pull(PullRequest request) {
  struct Waiting {
    explicit Waiting(size_t* n) : count(n) { ++*count; }
    ~Waiting() { --*count; }
    Waiting(const Waiting&) = delete;
    size_t* count;
  };
  {
    Waiting waiting(&waiting_);
    while (!stopped_ && running_ >= options_.parallel_max) co_await turns_.wait();
  }
  if (stopped_) co_return Error(Code::kUnavailable, "bramble is about to stop");
  Place place(this, ++last_id_);
  idle_.disarm();
  if (!worker_) worker_ = std::make_unique<Worker>(options_, store_);
  RealClock clock;
  int64_t begun_us = clock.monotonic_us();
  auto call = std::make_shared<Call>();
  worker_->begin(place.id, std::move(request), call);
  co_await call->done.wait();
  if (!call->result->ok()) co_return call->result->error();
  PullOutcome out;
  out.image = **call->result;
  out.pull_us = clock.monotonic_us() - begun_us;
  if (options_.pulled) options_.pulled();
  co_return out;
}

}  // namespace bramble

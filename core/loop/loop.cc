#include "core/loop/loop.h"

#include <signal.h>
#include <time.h>
#include <uv.h>

#include <mutex>

#include "core/loop/loop_steps.h"

namespace bramble {

static thread_local Loop* t_current = nullptr;

// The part of a loop that other threads touch. Lives as long as the last Remote.
struct Loop::Remote::Mailbox {
  std::mutex mu;
  bool open = true;                            // guarded by mu
  std::vector<std::function<void()>> waiting;  // guarded by mu
  uv_async_t async;                            // sent to under mu while open
};

struct Loop::Impl {
  uv_loop_t uv;
  std::shared_ptr<Remote::Mailbox> mailbox = std::make_shared<Remote::Mailbox>();

  void run_posted() {
    std::vector<std::function<void()>> batch;
    {
      std::lock_guard<std::mutex> lock(mailbox->mu);
      batch.swap(mailbox->waiting);
    }
    for (auto& fn : batch) {
      loop_detail::Step step;
      std::function<void()> one = std::move(fn);  // what it holds is freed before the next one runs
      one();
    }
  }
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {
  CHECK(t_current == nullptr, "a thread has one loop");
  int rc = uv_loop_init(&impl_->uv);
  CHECK(rc == 0, uv_strerror(rc));
  uv_ = &impl_->uv;
  uv_->data = impl_.get();
  uv_async_t* async = &impl_->mailbox->async;
  rc = uv_async_init(uv_, async, [](uv_async_t* a) { static_cast<Impl*>(a->data)->run_posted(); });
  CHECK(rc == 0, uv_strerror(rc));
  async->data = impl_.get();
  signal(SIGPIPE, SIG_IGN);  // a peer that left is an error of write(), for every loop
  t_current = this;
}

Loop::~Loop() {
  CHECK(t_current == this, "a loop is destroyed on its own thread");
  std::vector<std::function<void()>> unrun;
  {
    std::lock_guard<std::mutex> lock(impl_->mailbox->mu);
    impl_->mailbox->open = false;
    unrun.swap(impl_->mailbox->waiting);
  }
  unrun.clear();  // may own tasks and timers of this loop
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->mailbox->async), nullptr);
  // Whoever owns a handle has dropped it by now, so only close callbacks are left to run.
  uv_walk(
      uv_, [](uv_handle_t* h, void*) { CHECK(uv_is_closing(h), uv_handle_type_name(h->type), " outlives its loop"); },
      nullptr);
  uv_->stop_flag = 0;
  uv_run(uv_, UV_RUN_DEFAULT);
  int rc = uv_loop_close(uv_);
  CHECK(rc == 0, uv_strerror(rc));
  t_current = nullptr;
}

Loop& Loop::current() {
  CHECK(t_current != nullptr, "no loop on this thread");
  return *t_current;
}

void Loop::run() { uv_run(uv_, UV_RUN_DEFAULT); }
void Loop::stop() { uv_stop(uv_); }
Loop::Remote Loop::remote() const {
  Remote r;
  r.mailbox_ = impl_->mailbox;
  return r;
}
void Loop::post(std::function<void()> fn) { remote().post(std::move(fn)); }

bool Loop::Remote::post(std::function<void()> fn) const {
  if (!mailbox_) return false;
  std::lock_guard<std::mutex> lock(mailbox_->mu);
  if (!mailbox_->open) return false;
  mailbox_->waiting.push_back(std::move(fn));
  if (mailbox_->waiting.size() == 1) uv_async_send(&mailbox_->async);  // else it is on its way already
  return true;
}

int64_t Loop::now_us() const {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<int64_t>(t.tv_sec) * 1000000 + t.tv_nsec / 1000;
}

uint64_t Loop::turns() const {
  uv_metrics_t m{};
  uv_metrics_info(uv_, &m);
  return m.loop_count;
}

// A libuv handle and its callback on the heap until libuv has let go of it.
template <class Self, class Handle, class Fn>
struct HeapHandle {
  Handle handle;
  Fn fn;
  static Self* of(Handle* h) { return static_cast<Self*>(h->data); }
  void own(Fn callback) {
    handle.data = static_cast<Self*>(this);
    fn = std::move(callback);
  }
  void close() {
    uv_close(reinterpret_cast<uv_handle_t*>(&handle), [](uv_handle_t* h) { delete static_cast<Self*>(h->data); });
  }
};

struct Timer::Impl : HeapHandle<Timer::Impl, uv_timer_t, std::function<void()>> {};

Timer::Timer(std::function<void()> fire) : impl_(new Impl) {
  uv_timer_init(Loop::current().raw(), &impl_->handle);
  impl_->own(std::move(fire));
}
Timer::~Timer() { impl_->close(); }
void Timer::arm_ms(int64_t ms) {
  uv_update_time(impl_->handle.loop);  // a long step before this must not make the timer early
  uint64_t delay = ms > 0 ? static_cast<uint64_t>(ms) : 0;
  uv_timer_start(
      &impl_->handle, [](uv_timer_t* t) {
        loop_detail::Step step;
        Impl::of(t)->fn();
      },
      delay, 0);
}
void Timer::disarm() { uv_timer_stop(&impl_->handle); }
bool Timer::armed() const { return uv_is_active(reinterpret_cast<uv_handle_t*>(&impl_->handle)); }

Task<void> sleep_ms(int64_t ms) {
  Event done;
  Timer timer([&done] { done.set(); });
  timer.arm_ms(ms);
  co_await done.wait();
}

struct FdWatch::Impl : HeapHandle<FdWatch::Impl, uv_poll_t, std::function<void(int)>> {};

FdWatch::FdWatch(int fd, int events, std::function<void(int events)> ready) : impl_(new Impl) {
  int rc = uv_poll_init(Loop::current().raw(), &impl_->handle, fd);
  CHECK(rc == 0, "fd ", fd, ": ", uv_strerror(rc));
  impl_->own(std::move(ready));
  int wanted = (events & kReadable ? UV_READABLE : 0) | (events & kWritable ? UV_WRITABLE : 0);
  uv_poll_start(&impl_->handle, wanted, [](uv_poll_t* p, int status, int got) {
    // An error shows itself to whoever reads or writes next.
    int seen =
        status < 0 ? kReadable | kWritable : (got & UV_READABLE ? kReadable : 0) | (got & UV_WRITABLE ? kWritable : 0);
    loop_detail::Step step;
    Impl::of(p)->fn(seen);
  });
}
FdWatch::~FdWatch() { impl_->close(); }

struct SignalWatch::Impl : HeapHandle<SignalWatch::Impl, uv_signal_t, std::function<void()>> {};

SignalWatch::SignalWatch(int signum, std::function<void()> on_signal) : impl_(new Impl) {
  uv_signal_init(Loop::current().raw(), &impl_->handle);
  impl_->own(std::move(on_signal));
  int rc = uv_signal_start(
      &impl_->handle, [](uv_signal_t* s, int) {
        loop_detail::Step step;
        Impl::of(s)->fn();
      },
      signum);
  CHECK(rc == 0, "signal ", signum, ": ", uv_strerror(rc));
}
SignalWatch::~SignalWatch() { impl_->close(); }

}  // namespace bramble

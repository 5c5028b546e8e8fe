#include <uv.h>

#include "core/loop/loop.h"
#include "core/loop/loop_steps.h"
#include "core/loop/socket.h"

namespace bramble {

// Lives until libuv has let go of the handle and the last waiter is gone.
struct FdReady::Impl {
  uv_poll_t poll;
  std::shared_ptr<Impl> self;             // until the close callback
  int polled = 0;                         // what the kernel is asked for: UV_READABLE, UV_WRITABLE
  int wanted_read = 0, wanted_write = 0;  // waiters
  bool closing = false, cancelled = false;
  Event read_ready, write_ready;

  void ask(int events) {
    if (events == polled || closing) return;
    polled = events;
    if (events == 0)
      uv_poll_stop(&poll);
    else
      uv_poll_start(&poll, events, on_poll);
  }
  static void on_poll(uv_poll_t* p, int status, int events) {
    loop_detail::Step step;
    std::shared_ptr<Impl> me = static_cast<Impl*>(p->data)->self;
    if (status < 0) {  // libuv has stopped the handle; the next read or write tells why
      me->polled = 0;
      events = UV_READABLE | UV_WRITABLE;
    }
    if (events & UV_READABLE) me->read_ready.pulse();  // may destroy the socket: closing tells
    if ((events & UV_WRITABLE) && !me->closing) me->write_ready.pulse();
    if (me->closing) return;
    // Level-triggered: what nobody waits for must not come again. A waiter that came back at once keeps its place.
    me->ask(me->polled & ((me->wanted_read ? UV_READABLE : 0) | (me->wanted_write ? UV_WRITABLE : 0)));
  }
};

namespace {
struct Counted {
  explicit Counted(int* n) : n_(n) { ++*n_; }
  Counted(const Counted&) = delete;
  ~Counted() { --*n_; }
  int* n_;
};
}  // namespace

FdReady::FdReady(int fd) : impl_(std::make_shared<Impl>()) {
  int rc = uv_poll_init(Loop::current().raw(), &impl_->poll, fd);
  CHECK(rc == 0, "fd ", fd, ": ", uv_strerror(rc));
  impl_->poll.data = impl_.get();
  impl_->self = impl_;
}

FdReady::~FdReady() {
  impl_->closing = true;
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->poll),
           [](uv_handle_t* h) { static_cast<Impl*>(h->data)->self.reset(); });
}

Task<void> FdReady::readable() {
  auto impl = impl_;
  if (impl->cancelled) co_return;
  Counted waiting(&impl->wanted_read);
  impl->ask(impl->polled | UV_READABLE);
  co_await impl->read_ready.wait();
}

Task<void> FdReady::writable() {
  auto impl = impl_;
  if (impl->cancelled) co_return;
  Counted waiting(&impl->wanted_write);
  impl->ask(impl->polled | UV_WRITABLE);
  co_await impl->write_ready.wait();
}

void FdReady::cancel() {
  auto impl = impl_;
  if (impl->cancelled) return;
  impl->cancelled = true;
  impl->ask(0);
  impl->read_ready.pulse();  // may destroy this
  impl->write_ready.pulse();
}

}  // namespace bramble

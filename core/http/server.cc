#include "core/http/server.h"

#include <fcntl.h>
#include <pthread.h>

#include <mutex>
#include <thread>

#include "core/http/connection_worker.h"

namespace bramble {

namespace {

// The handlers that run, on the owner's loop. Posts of the connection threads reach it only while it is there.
struct Handlers {
  HttpHandler handler;
  TaskGroup tasks;
};

// Lets go of the request and the responder as soon as the handler is through.
Task<void> handle(HttpHandler* handler, std::shared_ptr<const HttpRequest> request,
                  std::shared_ptr<Responder> responder) {
  Task<void> task = (*handler)(std::move(request), std::move(responder));
  co_await task;
}

// A thread with its own loop and a worker on it.
class ConnectionThread {
 public:
  ConnectionThread(UniqueFd listener, Connection::Setup setup, std::shared_ptr<std::atomic<size_t>> count) {
    thread_ = std::thread([this, fd = listener.release(), s = std::move(setup), n = std::move(count)]() mutable {
      pthread_setname_np(pthread_self(), "http");
      Loop loop;
      {
        auto adopted = Listener::adopt(UniqueFd(fd));
        ConnectionWorker worker(std::move(adopted), std::move(s), std::move(n));
        {
          std::lock_guard<std::mutex> lock(mu_);
          if (stopped_) return;
          loop_ = &loop;
        }
        loop.run();
        std::lock_guard<std::mutex> lock(mu_);
        loop_ = nullptr;
      }
    });
  }
  ~ConnectionThread() {
    {
      std::lock_guard<std::mutex> lock(mu_);
      stopped_ = true;
      if (loop_) loop_->post([loop = loop_] { loop->stop(); });
    }
    thread_.join();
  }
  ConnectionThread(const ConnectionThread&) = delete;

 private:
  std::mutex mu_;
  bool stopped_ = false;  // guarded by mu_
  Loop* loop_ = nullptr;  // guarded by mu_
  std::thread thread_;
};

class Server final : public HttpServer {
 public:
  Server(std::unique_ptr<Listener> listener, Options options, HttpHandler handler)
      : listener_(std::move(listener)), handlers_(std::make_shared<Handlers>()) {
    handlers_->handler = std::move(handler);
    auto count = std::make_shared<std::atomic<size_t>>(0);
    Connection::Setup setup;
    setup.handshake_errors = handshake_errors_;
    setup.tls = options.tls;
    setup.body_bytes_max = options.body_bytes_max;
    setup.too_large_json = options.too_large_json;
    setup.budget = std::make_shared<ByteBudget>(options.received_bytes_max, options.received_bytes_unknown_max);
    setup.start = [owner_loop = Loop::current().remote(), handlers = std::weak_ptr<Handlers>(handlers_)](
                      std::shared_ptr<HttpRequest> request, std::shared_ptr<ConnectionSide> side) {
      side->owner_loop = owner_loop;
      auto owner = make_owner_side(request, Loop::current().remote(), side);
      side->owner = owner;
      owner_loop.post([handlers, request, owner = std::move(owner)] {
        if (auto h = handlers.lock()) h->tasks.start(handle(&h->handler, request, as_responder(owner)));
      });
    };
    for (size_t i = 0; i < options.connection_threads; i++) {
      UniqueFd fd(fcntl(listener_->fd(), F_DUPFD_CLOEXEC, 0));
      threads_.push_back(std::make_unique<ConnectionThread>(std::move(fd), setup, count));
    }
    if (threads_.empty()) {
      UniqueFd fd(fcntl(listener_->fd(), F_DUPFD_CLOEXEC, 0));
      worker_ = std::make_unique<ConnectionWorker>(Listener::adopt(std::move(fd)), std::move(setup), std::move(count));
    }
  }
  ~Server() override {
    threads_.clear();
    worker_.reset();
    handlers_->tasks.cancel_all();
  }
  uint16_t port() const override { return listener_->port(); }
  uint64_t handshake_errors() const override { return *handshake_errors_; }

 private:
  std::unique_ptr<Listener> listener_;  // owns the Unix socket's file; does not accept
  std::shared_ptr<Handlers> handlers_;
  std::shared_ptr<std::atomic<uint64_t>> handshake_errors_ = std::make_shared<std::atomic<uint64_t>>(0);
  std::vector<std::unique_ptr<ConnectionThread>> threads_;
  std::unique_ptr<ConnectionWorker> worker_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::listen(Options options, HttpHandler handler) {
  auto address = options.unix_path.empty() ? SocketAddress::ip(options.address, options.port)
                                           : SocketAddress::unix_path(options.unix_path);
  TRY(address);
  TRY_ASSIGN(auto listener, Listener::listen(*address));
  return std::unique_ptr<HttpServer>(new Server(std::move(listener), std::move(options), std::move(handler)));
}

}  // namespace bramble

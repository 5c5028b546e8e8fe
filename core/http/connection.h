// Connection: one accepted connection: handshake, the choice of the protocol, reading, writing and time limits. Owned
// by its ConnectionWorker, on that worker's loop. Not for other rooms.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "core/http/session.h"
#include "core/http/wire.h"

namespace bramble {

class Connection {
 public:
  struct Setup {
    std::shared_ptr<TlsServerContext> tls;  // or null
    size_t body_bytes_max = 0;
    std::string too_large_json;
    std::shared_ptr<ByteBudget> budget;
    std::shared_ptr<std::atomic<uint64_t>> handshake_errors;  // counted here by all connections
    // A request for the owner; the connection has filled in who the peer is.
    std::function<void(std::shared_ptr<HttpRequest>, std::shared_ptr<ConnectionSide>)> start;
    std::function<void(Connection*)> ended;  // destroy it, but not from within the call
  };
  Connection(UniqueFd fd, const Setup* setup);
  ~Connection();
  void run();
  bool idle() const;
  int64_t idle_since_us() const { return idle_since_us_; }
  void say_goodbye();  // what can be sent without waiting

 private:
  Task<void> read();
  Task<void> write();
  Task<void> linger();
  void choose_session();
  bool read_once();  // false: wait for more
  void watch_time();
  void on_timeout();
  void wake();
  void end();

  const Setup* setup_;
  Wire wire_;
  SessionHost host_;
  std::unique_ptr<Session> session_;
  SendQueue queue_;
  std::string remote_ip_;
  Event wanted_;  // the writer or a paused reader shall look again
  bool wake_posted_ = false, read_ended_ = false, ended_ = false, handshaking_ = true, lingering_ = false;
  int64_t idle_since_us_ = 0;
  SessionWait watched_ = SessionWait::kNothing;
  uint64_t watched_epoch_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Timer deadline_;
  TaskGroup tasks_;
};

}  // namespace bramble

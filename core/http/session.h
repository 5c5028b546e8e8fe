// Session: one version of HTTP on one connection, without sockets: bytes in, a SendQueue out. On the connection's
// thread. Not for other rooms.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/limits.h"
#include "core/http/byte_budget.h"
#include "core/http/exchange.h"
#include "core/http/send_queue.h"

namespace bramble {

// What a session needs of its connection. Outlives the session.
struct SessionHost {
  // A whole request has arrived.
  std::function<void(std::shared_ptr<HttpRequest>, std::shared_ptr<ConnectionSide>)> start;
  std::function<void()>
      wake;  // there is something to fill, or reading may go on; never calls back into the session at once
  size_t body_bytes_max = limits::kBodyBytesMax;
  std::string too_large_json;  // see HttpServer::Options
  std::shared_ptr<ByteBudget> budget;
  bool peer_known = false;  // see HttpRequest
};

// What a connection waits for from its peer; each has its time limit.
enum class SessionWait { kIdle, kRequestHead, kRequestBody, kWebSocketClose, kNothing };

class Session {
 public:
  virtual ~Session() = default;  // tells all exchanges that they are gone
  virtual void receive(std::string_view bytes) = 0;
  virtual void peer_finished() = 0;  // the end of what the peer sends
  virtual bool wants_read() const = 0;
  // Moves what may be sent now into the queue, up to kSendAheadBytesMax there.
  virtual void fill(SendQueue* queue) = 0;
  // Nothing will be sent or received any more: close once the queue is empty.
  virtual bool finished() const = 0;
  virtual SessionWait waits_for() const = 0;
  virtual uint64_t wait_epoch() const = 0;  // changes when the same wait begins anew
  virtual void timed_out() = 0;             // the wait took too long
  virtual void say_goodbye() = 0;           // the server stops
};

std::unique_ptr<Session> make_http1_session(SessionHost* host);
std::unique_ptr<Session> make_http2_session(SessionHost* host);

}  // namespace bramble

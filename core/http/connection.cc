#include "core/http/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "core/base/limits.h"
#include "core/base/log.h"

namespace bramble {

static void set_option(int fd, int level, int name, int value) { setsockopt(fd, level, name, &value, sizeof value); }

// A peer that vanished without a word is noticed by the kernel, which needs no wake-up of ours.
static void keep_alive(int fd) {
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, limits::kKeepAliveIdleS);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, limits::kKeepAliveIntervalS);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, limits::kKeepAliveProbes);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(limits::kTcpUserTimeoutMs));
}

Connection::Connection(UniqueFd fd, const Setup* setup)
    : setup_(setup), wire_(std::make_unique<Stream>(std::move(fd))), deadline_([this] { on_timeout(); }) {
  keep_alive(wire_.stream().fd());
  remote_ip_ = wire_.stream().peer().host();
  idle_since_us_ = Loop::current().now_us();
  host_.body_bytes_max = setup->body_bytes_max;
  host_.too_large_json = setup->too_large_json;
  host_.budget = setup->budget;
  host_.wake = [this] { wake(); };
  host_.start = [this](std::shared_ptr<HttpRequest> request, std::shared_ptr<ConnectionSide> side) {
    request->remote_ip = remote_ip_;
    if (TlsSession* tls = wire_.tls()) {
      request->tls = true;
      request->peer_certificate_invalid = !tls->peer_invalid().empty();
      if (auto& peer = tls->peer()) {
        request->peer.common_name = peer->subject.common_name;
        request->peer.organizations = peer->subject.organizations;
        request->peer.der_sha256_hex = peer->der_sha256_hex;
        request->peer.key_sha256_hex = peer->key_sha256_hex;
        request->peer.not_after_s = peer->not_after_s;
      }
    }
    setup_->start(std::move(request), std::move(side));
  };
}

Connection::~Connection() {
  *alive_ = false;
  ended_ = true;
  tasks_.cancel_all();
  session_.reset();  // tells its exchanges, while all that it may call is still there
}

void Connection::run() {
  if (setup_->tls) {
    wire_.use_tls(*setup_->tls);
    deadline_.arm_ms(limits::kTlsHandshakeMs);
  }
  tasks_.start(read());
}

bool Connection::idle() const { return session_ && session_->waits_for() == SessionWait::kIdle; }

void Connection::say_goodbye() {
  if (!session_ || ended_) return;
  session_->say_goodbye();
  do {
    session_->fill(&queue_);
  } while (!queue_.empty() && wire_.try_flush(&queue_) && queue_.empty());
  wire_.finish();
}

void Connection::choose_session() {
  host_.peer_known = wire_.tls() ? wire_.tls()->peer().has_value() : remote_ip_.empty();
  std::string alpn = wire_.tls() ? wire_.tls()->alpn() : "";
  session_ = alpn == "h2" ? make_http2_session(&host_) : make_http1_session(&host_);
}

// The writer runs after what was posted together has all arrived: one record carries the events of many streams.
void Connection::wake() {
  if (wake_posted_ || ended_) return;
  wake_posted_ = true;
  Loop::current().post([this, alive = alive_] {
    if (!*alive) return;
    wake_posted_ = false;
    watch_time();
    wanted_.pulse();
  });
}

void Connection::watch_time() {
  if (!session_ || lingering_) return;
  SessionWait wait = session_->waits_for();
  uint64_t epoch = session_->wait_epoch();
  if (wait == watched_ && epoch == watched_epoch_) return;
  watched_ = wait;
  watched_epoch_ = epoch;
  switch (wait) {
    case SessionWait::kIdle:
      idle_since_us_ = Loop::current().now_us();
      deadline_.arm_ms(limits::kIdleConnectionMs);
      break;
    case SessionWait::kRequestHead:
      deadline_.arm_ms(limits::kRequestHeadMs);
      break;
    case SessionWait::kRequestBody:
      deadline_.arm_ms(limits::kRequestBodyMs);
      break;
    case SessionWait::kWebSocketClose:
      deadline_.arm_ms(limits::kWebSocketCloseMs);
      break;
    case SessionWait::kNothing:
      deadline_.disarm();
      break;
  }
}

void Connection::on_timeout() {
  if (handshaking_ || read_ended_ || session_->finished()) {
    end();
    return;
  }
  session_->timed_out();
  wake();
}

void Connection::end() {
  if (ended_) return;
  ended_ = true;
  deadline_.disarm();
  setup_->ended(this);
}

// One read; false when there was nothing to read now.
bool Connection::read_once() {
  static thread_local char bytes[limits::kReceiveChunkBytes];
  Wire::Got got = wire_.try_read(bytes, sizeof bytes);
  switch (got.kind) {
    case Wire::Got::kBytes:
      session_->receive(std::string_view(bytes, got.bytes));
      watch_time();
      return true;
    case Wire::Got::kWait:
      return false;
    case Wire::Got::kEnd:
    case Wire::Got::kFailed:
      read_ended_ = true;
      session_->peer_finished();
      watch_time();
      wake();
      return true;
  }
  return false;
}

// Whether the first byte is a letter, which no TLS record begins with: somebody speaks plain HTTP to us.
static bool looks_like_plain_http(int fd) {
  char first = 0;
  return recv(fd, &first, 1, MSG_PEEK) == 1 && first >= 'A' && first <= 'Z';
}

Task<void> Connection::read() {
  if (wire_.tls()) {
    co_await wire_.readable();
    if (looks_like_plain_http(wire_.stream().fd())) {
      std::string answer = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
      Status told = co_await wire_.stream().write_all(std::move(answer));
      if (told.ok()) wire_.stream().shutdown_write();
      char unread[1024];  // what is left unread at close() would reset the connection before the answer arrives
      while (wire_.stream().try_read(unread, sizeof unread).kind == IoResult::kDone) {
      }
      end();
      co_return;
    }
  }
  Status shaken = co_await wire_.handshake();
  if (!shaken.ok()) {
    if (setup_->handshake_errors) ++*setup_->handshake_errors;
    log_debug("http: ", remote_ip_, ": ", shaken.error().message());
    end();
    co_return;
  }
  handshaking_ = false;
  deadline_.disarm();
  choose_session();
  watch_time();
  tasks_.start(write());
  while (!read_ended_ && !ended_) {
    if (!session_->wants_read()) {
      co_await wanted_.wait();
    } else if (!read_once()) {
      co_await wire_.readable();
    }
  }
}

Task<void> Connection::write() {
  for (;;) {
    session_->fill(&queue_);
    watch_time();
    if (!queue_.empty()) {
      Status sent = co_await wire_.flush(&queue_);
      if (!sent.ok()) break;
    } else if (session_->finished()) {
      co_await linger();
      break;
    } else {
      co_await wanted_.wait();
    }
  }
  end();
}

// Closing while the peer still sends would reset the connection and might take the last answer away from it.
Task<void> Connection::linger() {
  wire_.finish();
  lingering_ = true;
  deadline_.arm_ms(limits::kLingerMs);
  while (!read_ended_) co_await wanted_.wait();
}

}  // namespace bramble

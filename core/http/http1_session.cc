// HTTP/1.1 (RFC 9112) on one connection: one request at a time goes to the handler; what the peer sends ahead waits,
// within limits. After an accepted upgrade the same connection carries WebSocket frames,
// or bytes as they are.
#include <http_parser.h>

#include "core/base/limits.h"
#include "core/http/message.h"
#include "core/http/session.h"
#include "core/http/websocket_frames.h"

namespace bramble {

namespace {

class Http1Session;

// One request's answer.
class Http1Exchange final : public ConnectionSide {
 public:
  explicit Http1Exchange(Http1Session* s) : session(s) {}
  void respond(int status, std::vector<Header> headers, Buffer body) override;
  void begin(int status, std::vector<Header> headers) override;
  void chunk(Buffer bytes) override;
  void end() override;
  void abort() override;
  void upgrade(std::vector<Header> headers, Upgraded to) override;
  void websocket_message(Buffer payload) override;
  void websocket_close(int code, std::string reason) override;
  void websocket_room() override;
  void peer_is_known() override;

  Http1Session* session;  // null once the exchange is over
};

class Http1Session final : public Session {
 public:
  explicit Http1Session(SessionHost* host) : host_(host) {
    http_parser_init(&parser_, HTTP_REQUEST);
    parser_.data = this;
  }
  ~Http1Session() override { drop_exchange(true); }

  // Session
  void receive(std::string_view bytes) override;
  void peer_finished() override;
  bool wants_read() const override {
    if (phase_ == Phase::kWebSocket) return !exchange_->websocket_full();
    return pending_.size() < limits::kPipelinedBytesMax && !peer_finished_;
  }
  void fill(SendQueue* queue) override;
  bool finished() const override { return phase_ == Phase::kClosing && out_.empty() && chunks_.empty(); }
  SessionWait waits_for() const override;
  uint64_t wait_epoch() const override { return epoch_; }
  void timed_out() override;
  void say_goodbye() override;

  // From the exchange.
  void write_head(int status, const std::vector<Header>& headers, bool has_length, size_t length);
  void respond(int status, std::vector<Header> headers, Buffer body);
  void begin(int status, std::vector<Header> headers);
  void chunk(Buffer bytes);
  void end();
  void abort();
  void upgrade(std::vector<Header> headers, ConnectionSide::Upgraded to);
  void websocket_message(Buffer payload);
  void websocket_close(int code, std::string reason);
  void wake() { host_->wake(); }
  SessionHost* host() { return host_; }

 private:
  enum class Phase { kReading, kAnswering, kWebSocket, kClosing };

  void parse();
  bool begin_request(std::string* bytes);
  void refuse(int status);
  void close_after_output();
  void finish_request();
  void answer_complete();
  void receive_websocket(std::string_view bytes);
  void fill_message(SendQueue* queue);
  void control_frame(WebSocketOpcode opcode, std::string_view payload);
  void drop_exchange(bool tell);

  int on_head_bytes(size_t n);
  int on_headers_complete();
  static Http1Session* of(http_parser* p) { return static_cast<Http1Session*>(p->data); }
  static const http_parser_settings& callbacks();

  SessionHost* host_;
  http_parser parser_;
  Phase phase_ = Phase::kReading;
  uint64_t epoch_ = 0;
  bool peer_finished_ = false, goodbye_ = false;
  std::string pending_;  // received and not yet parsed

  // The request being read.
  std::shared_ptr<ReceivedRequest> request_;
  std::string other_method_;  // one that the parser does not know
  std::string target_, header_name_, header_value_;
  bool in_value_ = false, method_read_ = false, started_ = false, head_done_ = false, complete_ = false;
  size_t head_bytes_ = 0;
  int refusal_ = 0;

  // The answer being written.
  std::shared_ptr<Http1Exchange> exchange_;
  bool head_only_ = false, keep_alive_ = true, chunked_ = false, http10_ = false, wants_upgrade_ = false,
       streaming_ = false, ended_ = false;
  std::string out_;            // before the chunks
  std::deque<Buffer> chunks_;  // body, or WebSocket payloads
  bool framed_chunks_ = false;

  // After an upgrade.
  std::unique_ptr<WebSocketDecoder> decoder_;  // null after an upgrade to bytes as they are
  bool close_sent_ = false;
  std::string close_frame_;  // waits behind the messages
};

// --- reading ---

int Http1Session::on_head_bytes(size_t n) {
  head_bytes_ += n;
  if (head_bytes_ > limits::kHeaderBytesMax) refusal_ = 431;
  else if (!request_->hold(n)) refusal_ = 429;
  return refusal_ ? 1 : 0;
}

const http_parser_settings& Http1Session::callbacks() {
  static const http_parser_settings settings = [] {
    http_parser_settings s;
    http_parser_settings_init(&s);
    s.on_message_begin = [](http_parser* p) {
      auto* self = of(p);
      self->request_ = std::make_shared<ReceivedRequest>(self->host_->budget, self->host_->peer_known);
      self->target_.clear();
      self->header_name_.clear();
      self->header_value_.clear();
      self->in_value_ = false;
      self->head_done_ = self->complete_ = false;
      self->head_bytes_ = 0;
      return 0;
    };
    s.on_url = [](http_parser* p, const char* at, size_t n) {
      auto* self = of(p);
      self->target_.append(at, n);
      return self->on_head_bytes(n);
    };
    s.on_header_field = [](http_parser* p, const char* at, size_t n) {
      auto* self = of(p);
      if (self->head_done_) return 0;  // trailers are dropped
      if (self->in_value_) {
        self->request_->headers.push_back({lower(self->header_name_), std::string(trim(self->header_value_))});
        self->header_name_.clear();
        self->header_value_.clear();
        self->in_value_ = false;
      }
      self->header_name_.append(at, n);
      return self->on_head_bytes(n);
    };
    s.on_header_value = [](http_parser* p, const char* at, size_t n) {
      auto* self = of(p);
      if (self->head_done_) return 0;
      self->in_value_ = true;
      self->header_value_.append(at, n);
      return self->on_head_bytes(n + 4);
    };
    s.on_headers_complete = [](http_parser* p) { return of(p)->on_headers_complete(); };
    s.on_body = [](http_parser* p, const char* at, size_t n) {
      auto* self = of(p);
      HttpRequest& request = *self->request_;
      if (request.body.size() + n > self->host_->body_bytes_max) self->refusal_ = 413;
      else if (!self->request_->hold(n)) self->refusal_ = 429;
      if (self->refusal_) return 1;
      request.body.append(at, n);
      return 0;
    };
    s.on_message_complete = [](http_parser* p) {
      auto* self = of(p);
      self->complete_ = true;
      http_parser_pause(p, 1);
      return 0;
    };
    return s;
  }();
  return settings;
}

int Http1Session::on_headers_complete() {
  if (in_value_) request_->headers.push_back({lower(header_name_), std::string(trim(header_value_))});
  in_value_ = false;
  head_done_ = true;
  epoch_++;
  request_->method = other_method_.empty() ? http_method_str(static_cast<http_method>(parser_.method)) : other_method_;
  http10_ = parser_.http_major == 1 && parser_.http_minor == 0;
  if (parser_.http_major != 1) refusal_ = 505;
  int hosts = 0;
  for (auto& h : request_->headers) hosts += h.name == "host";
  // RFC 9112 section 3.2: exactly one Host, but from HTTP/1.0.
  if (hosts > 1 || (hosts == 0 && !http10_) || parser_.method == HTTP_CONNECT ||
      !split_target(target_, &request_->path, &request_->query))
    refusal_ = refusal_ ? refusal_ : 400;
  bool has_length = !(parser_.flags & F_CHUNKED) && parser_.content_length != UINT64_MAX;
  if (has_length && parser_.content_length > host_->body_bytes_max) refusal_ = refusal_ ? refusal_ : 413;
  if (refusal_) return -1;
  bool has_body = (parser_.flags & F_CHUNKED) || (has_length && parser_.content_length > 0);
  // Other upgrades (h2c) are offers that a server may pass over.
  wants_upgrade_ = parser_.upgrade && !has_body && request_->asks_for_upgrade();
  if (!wants_upgrade_) parser_.upgrade = 0;
  if (has_body && !http10_ && has_token(request_->header("expect"), "100-continue")) {
    out_ += "HTTP/1.1 100 Continue\r\n\r\n";
    wake();
  }
  if (has_body && has_length) request_->body.reserve(static_cast<size_t>(parser_.content_length));
  return 0;
}

void Http1Session::receive(std::string_view bytes) {
  if (phase_ == Phase::kWebSocket) {
    receive_websocket(bytes);
    return;
  }
  if (phase_ == Phase::kClosing) return;  // read on only to let the peer see the answer
  pending_.append(bytes);
  if (phase_ == Phase::kReading) parse();
}

static bool parser_knows(std::string_view method) {
  for (int m = 0; m <= HTTP_SOURCE; m++) {
    if (method == http_method_str(static_cast<http_method>(m))) return true;
  }
  return false;
}

// The parser knows a list of methods, but what a method means is the handler's business (RFC 9110 section 9.1): another
// one goes past the parser under the name of one that may have a body too. False when more bytes are needed.
bool Http1Session::begin_request(std::string* bytes) {
  bytes->erase(0, bytes->find_first_not_of("\r\n"));  // RFC 9112 section 2.2
  if (bytes->empty()) return false;
  if (!started_) {
    started_ = true;
    epoch_++;
  }
  size_t n = 0;
  while (n < bytes->size() && n <= limits::kMethodBytesMax && valid_header_name(std::string_view(*bytes).substr(n, 1))) n++;
  if (n == bytes->size() && n <= limits::kMethodBytesMax) {
    pending_ = std::move(*bytes);
    return false;
  }
  method_read_ = true;
  other_method_.clear();
  std::string_view method = std::string_view(*bytes).substr(0, n);
  if (n == 0 || n > limits::kMethodBytesMax || (*bytes)[n] != ' ' || parser_knows(method)) return true;
  other_method_ = method;
  bytes->replace(0, n, "PUT");
  return true;
}

void Http1Session::parse() {
  if (pending_.empty()) return;
  std::string bytes = std::move(pending_);
  pending_.clear();
  if (!method_read_ && !begin_request(&bytes)) return;
  size_t used = http_parser_execute(&parser_, &callbacks(), bytes.data(), bytes.size());
  http_errno error = HTTP_PARSER_ERRNO(&parser_);
  if (complete_) {
    complete_ = false;
    http_parser_pause(&parser_, 0);
    if (used < bytes.size()) pending_ = bytes.substr(used);
    finish_request();
  } else if (error != HPE_OK) {
    refuse(refusal_ ? refusal_ : error == HPE_HEADER_OVERFLOW ? 431 : 400);
  }
}

void Http1Session::finish_request() {
  started_ = method_read_ = false;
  phase_ = Phase::kAnswering;
  head_only_ = request_->method == "HEAD";
  keep_alive_ = http_should_keep_alive(&parser_) && !wants_upgrade_ && !goodbye_;
  exchange_ = std::make_shared<Http1Exchange>(this);
  host_->start(std::move(request_), exchange_);
}

// An answer that needs no handler, and the end of the connection: what follows cannot be told apart from the rest of a
// request that was refused.
void Http1Session::refuse(int status) {
  keep_alive_ = false;
  head_only_ = false;
  Refusal refusal = refusal_of(status, host_->too_large_json);
  write_head(status, refusal.headers, true, refusal.body.size());
  out_ += refusal.body;
  request_.reset();
  close_after_output();
}

void Http1Session::close_after_output() {
  phase_ = Phase::kClosing;
  pending_ = std::string();
  epoch_++;
  wake();
}

void Http1Session::peer_finished() {
  peer_finished_ = true;
  if (phase_ == Phase::kReading) close_after_output();
  if (exchange_) exchange_->tell_gone();  // an answer that is ready anyhow is still sent
  if (phase_ == Phase::kWebSocket) {
    drop_exchange(true);
    close_after_output();
  }
}

SessionWait Http1Session::waits_for() const {
  if (phase_ == Phase::kWebSocket) return close_sent_ ? SessionWait::kWebSocketClose : SessionWait::kNothing;
  if (phase_ != Phase::kReading) return SessionWait::kNothing;
  if (!started_) return SessionWait::kIdle;
  return head_done_ ? SessionWait::kRequestBody : SessionWait::kRequestHead;
}

void Http1Session::timed_out() {
  if (phase_ == Phase::kReading && started_) {
    refuse(408);
  } else {
    drop_exchange(true);
    close_after_output();
  }
}

void Http1Session::say_goodbye() {
  goodbye_ = true;
  if (phase_ == Phase::kReading) close_after_output();
  if (phase_ == Phase::kWebSocket) websocket_close(kWebSocketGoingAway, "server stops");
}

void Http1Session::drop_exchange(bool tell) {
  if (!exchange_) return;
  if (tell) exchange_->tell_gone();
  exchange_->session = nullptr;
  exchange_.reset();
  chunks_.clear();
}

// --- answering ---

void Http1Session::write_head(int status, const std::vector<Header>& headers, bool has_length, size_t length) {
  std::string head = cat("HTTP/1.1 ", status, " ", reason_phrase(status), "\r\n");
  bool has_date = false;
  for (auto& h : headers) {
    if (!valid_header_name(h.name)) continue;
    if (h.name == "content-length" || h.name == "transfer-encoding") continue;  // framing is ours
    has_date |= h.name == "date";
    head += cat(h.name, ": ", safe_header_value(h.value), "\r\n");
  }
  if (!has_date) head += cat("date: ", http_date(), "\r\n");
  if (status != 101) {
    if (has_length && (may_have_body(status) || length > 0)) head += cat("content-length: ", length, "\r\n");
    if (chunked_ && !has_length) head += "transfer-encoding: chunked\r\n";
    if (!keep_alive_)
      head += "connection: close\r\n";
    else if (http10_)
      head += "connection: keep-alive\r\n";
  }
  head += "\r\n";
  out_ += head;
}

void Http1Session::respond(int status, std::vector<Header> headers, Buffer body) {
  chunked_ = false;
  bool send_body = may_have_body(status) && !head_only_;
  write_head(status, headers, true, may_have_body(status) ? body->size() : 0);
  if (send_body && !body->empty()) chunks_.push_back(std::move(body));
  framed_chunks_ = false;
  ended_ = true;
  wake();
}

void Http1Session::begin(int status, std::vector<Header> headers) {
  streaming_ = true;
  chunked_ = !http10_ && may_have_body(status) && !head_only_;
  if (http10_) keep_alive_ = false;  // the end of the body is the end of the connection
  write_head(status, headers, false, 0);
  framed_chunks_ = chunked_;
  wake();
}

void Http1Session::chunk(Buffer bytes) {
  if (head_only_) {
    exchange_->tell_framed(bytes->size());
    return;
  }
  chunks_.push_back(std::move(bytes));
  wake();
}

void Http1Session::end() {
  ended_ = true;
  wake();
}

void Http1Session::abort() {
  drop_exchange(false);
  close_after_output();  // without the last chunk: the peer sees that the body is cut
}

void Http1Session::fill(SendQueue* queue) {
  if (!out_.empty()) queue->append(std::move(out_));
  out_.clear();
  if (phase_ == Phase::kWebSocket) {
    if (queue->empty()) fill_message(queue);
    return;
  }
  while (!chunks_.empty() && queue->bytes() < limits::kSendAheadBytesMax) {
    Buffer chunk = std::move(chunks_.front());
    chunks_.pop_front();
    size_t n = chunk->size();
    if (framed_chunks_) {
      char size[24];
      int digits = std::snprintf(size, sizeof size, "%zx\r\n", n);
      queue->append(std::string(size, static_cast<size_t>(digits)));
      queue->append(std::move(chunk));
      queue->append("\r\n");
    } else {
      queue->append(std::move(chunk));
    }
    if (exchange_ && streaming_) exchange_->tell_framed(n);
  }
  if (phase_ == Phase::kAnswering && ended_ && chunks_.empty()) {
    if (framed_chunks_) queue->append("0\r\n\r\n");
    answer_complete();
    if (!out_.empty()) queue->append(std::move(out_));
    out_.clear();
  }
}

// One a call, so that no TLS record holds two: a client that waits for its socket and not for its TLS library (Python's
// websocket-client under poll(2)) sees a message only when a record comes, and one message for each.
void Http1Session::fill_message(SendQueue* queue) {
  if (chunks_.empty()) {
    if (!close_frame_.empty()) queue->append(std::move(close_frame_));
    close_frame_.clear();
    if (!decoder_ && close_sent_) {
      drop_exchange(true);
      close_after_output();
    }
    return;
  }
  Buffer message = std::move(chunks_.front());
  chunks_.pop_front();
  size_t n = message->size();
  if (decoder_) queue->append(websocket_frame_head(WebSocketOpcode::kBinary, n));
  queue->append(std::move(message));
  if (exchange_) exchange_->tell_framed(n);
}

void Http1Session::answer_complete() {
  drop_exchange(false);
  ended_ = streaming_ = framed_chunks_ = chunked_ = false;
  epoch_++;
  if (!keep_alive_ || goodbye_ || peer_finished_) {
    close_after_output();
    return;
  }
  phase_ = Phase::kReading;
  bool reading_paused = !wants_read();
  parse();  // no recursion: another answer comes only after a handler ran, which is posted
  if (reading_paused) wake();
}

// --- WebSocket ---

void Http1Session::upgrade(std::vector<Header> headers, ConnectionSide::Upgraded to) {
  write_head(101, headers, false, 0);
  phase_ = Phase::kWebSocket;
  if (to == ConnectionSide::Upgraded::kMessages) decoder_ = std::make_unique<WebSocketDecoder>(true, limits::kWebSocketMessageBytesMax);
  epoch_++;
  wake();
  if (peer_finished_) {
    drop_exchange(true);
    close_after_output();
    return;
  }
  std::string early = std::move(pending_);
  pending_ = std::string();
  if (!early.empty()) receive_websocket(early);
}

void Http1Session::receive_websocket(std::string_view bytes) {
  if (!decoder_) {
    if (!close_sent_) exchange_->tell_websocket_message(std::string(bytes));
    return;
  }
  bool closed = false;
  std::function<bool(WebSocketEvent)> take = [&](WebSocketEvent e) {
    switch (e.kind) {
      case WebSocketOpcode::kPing:
        control_frame(WebSocketOpcode::kPong, e.data);
        return true;
      case WebSocketOpcode::kPong:
        return true;
      case WebSocketOpcode::kClose:
        if (!close_sent_)
          control_frame(WebSocketOpcode::kClose,
                        websocket_close_payload(e.close_code == 1005 ? kWebSocketNormal : e.close_code, ""));
        closed = true;
        return false;
      default:
        if (!close_sent_) exchange_->tell_websocket_message(std::move(e.data));
        return true;
    }
  };
  int error = decoder_->feed(bytes, take);
  if (error) control_frame(WebSocketOpcode::kClose, websocket_close_payload(error, ""));
  if (!error && !closed) return;
  exchange_->tell_websocket_closed();
  chunks_.clear();  // nothing follows a closing frame
  drop_exchange(true);
  close_after_output();
}

void Http1Session::control_frame(WebSocketOpcode opcode, std::string_view payload) {
  // A peer that pings and does not read gets no more than this.
  if (out_.size() > limits::kSendAheadBytesMax) return;
  out_ += websocket_frame_head(opcode, payload.size());
  out_ += payload;
  wake();
}

void Http1Session::websocket_message(Buffer payload) {
  if (close_sent_) return;
  chunks_.push_back(std::move(payload));
  wake();
}

void Http1Session::websocket_close(int code, std::string reason) {
  if (close_sent_) return;
  close_sent_ = true;
  epoch_++;
  if (!decoder_) return wake();  // the end follows the bytes that wait
  // After the messages that wait: as the last of them, already framed.
  std::string payload = websocket_close_payload(code, reason);
  close_frame_ = websocket_frame_head(WebSocketOpcode::kClose, payload.size()) + payload;
  wake();
}

// --- the exchange's calls, while there is a session ---

void Http1Exchange::respond(int status, std::vector<Header> headers, Buffer body) {
  if (session) session->respond(status, std::move(headers), std::move(body));
}
void Http1Exchange::begin(int status, std::vector<Header> headers) {
  if (session) session->begin(status, std::move(headers));
}
void Http1Exchange::chunk(Buffer bytes) {
  if (session) session->chunk(std::move(bytes));
}
void Http1Exchange::end() {
  if (session) session->end();
}
void Http1Exchange::abort() {
  if (session) session->abort();
}
void Http1Exchange::upgrade(std::vector<Header> headers, Upgraded to) {
  if (session) session->upgrade(std::move(headers), to);
}
void Http1Exchange::websocket_message(Buffer payload) {
  if (session) session->websocket_message(std::move(payload));
}
void Http1Exchange::websocket_close(int code, std::string reason) {
  if (session) session->websocket_close(code, std::move(reason));
}
void Http1Exchange::websocket_room() {
  if (session) session->wake();
}
void Http1Exchange::peer_is_known() {
  if (session) session->host()->peer_known = true;
}

}  // namespace

std::unique_ptr<Session> make_http1_session(SessionHost* host) { return std::make_unique<Http1Session>(host); }

}  // namespace bramble

#include "core/http/http2_client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "core/base/limits_client.h"
#include "core/http/message.h"
#include "core/http/wire.h"
#include "core/loop/race.h"

namespace bramble {

namespace {

class Session;

// One stream, shared by the connection and whoever asked.
struct StreamState {
  Session* session = nullptr;  // null once the stream has ended
  int32_t id = -1;
  HttpResponse response;
  size_t head_bytes = 0;
  std::string body;            // come and not yet read
  Buffer upload;
  size_t uploaded = 0;
  bool head_done = false, done = false;
  std::optional<Error> error;
  bool wake_posted = false;
  Event changed;
};
using StreamRef = std::shared_ptr<StreamState>;

// Never from within the reader: whoever waits may drop the connection.
void wake(const StreamRef& s) {
  if (std::exchange(s->wake_posted, true)) return;
  Loop::current().post([s] {
    s->wake_posted = false;
    s->changed.pulse();
  });
}

class Session final : public Http2Client {
 public:
  Session(std::unique_ptr<Wire> wire, std::string host, bool tls);
  ~Session() override;
  void run();

  std::unique_ptr<Http2Exchange> send(HttpClientRequest request) override;
  bool usable() const override { return !over_ && !goaway_ && nghttp2_session_check_request_allowed(h2_); }
  size_t exchanges() const override { return streams_.size(); }
  void close(Error why) override { end(std::move(why)); }

  void consumed(int32_t id, size_t bytes) {
    if (over_) return;
    nghttp2_session_consume(h2_, id, bytes);
    want_write();
  }
  void drop(StreamState* s) {
    if (over_ || s->id < 0) return;
    nghttp2_submit_rst_stream(h2_, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_CANCEL);
    nghttp2_session_consume_connection(h2_, s->body.size());
    forget(s->id);
    want_write();
  }

 private:
  static Session* of(void* p) { return static_cast<Session*>(p); }
  StreamRef find(int32_t id) {
    auto it = streams_.find(id);
    return it == streams_.end() ? nullptr : it->second;
  }
  void forget(int32_t id) {
    auto it = streams_.find(id);
    if (it == streams_.end()) return;
    it->second->session = nullptr;
    streams_.erase(it);
  }
  Task<void> read();
  Task<void> write();
  void want_write() {
    if (std::exchange(write_posted_, true)) return;
    std::weak_ptr<bool> alive = alive_;
    Loop::current().post([this, alive] {
      if (alive.expired()) return;
      write_posted_ = false;
      wanted_.pulse();
    });
  }
  void end(Error why);
  void look_at_silence();
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_bytes, const uint8_t* value, size_t value_bytes, uint8_t, void* p);
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* p);
  static int on_data(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t count, void* p);
  static int on_close(nghttp2_session*, int32_t id, uint32_t code, void* p);
  static nghttp2_ssize on_read(nghttp2_session*, int32_t id, uint8_t* to, size_t room, uint32_t* flags, nghttp2_data_source*, void* p);

  std::unique_ptr<Wire> wire_;
  std::string host_;
  std::string scheme_;
  nghttp2_session* h2_ = nullptr;
  std::unordered_map<int32_t, StreamRef> streams_;
  SendQueue queue_;
  Event wanted_;
  bool over_ = false, goaway_ = false, write_posted_ = false;
  int64_t heard_us_ = 0;
  bool asked_ = false;  // a PING is on its way
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Timer silence_{[this] { look_at_silence(); }};
  TaskGroup tasks_;
};

class Exchange final : public Http2Exchange {
 public:
  explicit Exchange(StreamRef s) : s_(std::move(s)) {}
  ~Exchange() override {
    if (s_->session && !s_->done) s_->session->drop(s_.get());
  }
  Task<Result<HttpResponse>> head() override {
    while (!s_->head_done && !s_->error) co_await s_->changed.wait();
    if (!s_->head_done) co_return *s_->error;
    co_return s_->response;
  }
  Task<Result<std::optional<std::string>>> read_body() override {
    while (s_->body.empty() && !s_->done && !s_->error) co_await s_->changed.wait();
    std::optional<std::string> out;
    if (!s_->body.empty()) {
      out.emplace(std::exchange(s_->body, std::string()));
      if (s_->session) s_->session->consumed(s_->id, out->size());
      co_return out;
    }
    if (s_->error) co_return *s_->error;
    co_return out;
  }

 private:
  StreamRef s_;
};

Session::Session(std::unique_ptr<Wire> wire, std::string host, bool tls) : wire_(std::move(wire)), host_(std::move(host)), scheme_(tls ? "https" : "http") {
  nghttp2_session_callbacks* c;
  nghttp2_session_callbacks_new(&c);
  nghttp2_session_callbacks_set_on_header_callback(c, on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(c, on_close);
  nghttp2_option* o;
  nghttp2_option_new(&o);
  nghttp2_option_set_no_auto_window_update(o, 1);
  nghttp2_session_client_new2(&h2_, c, this, o);
  nghttp2_option_del(o);
  nghttp2_session_callbacks_del(c);
  nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits::kHttp2StreamWindowBytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(limits::kHeaderBytesMax)},
  };
  nghttp2_submit_settings(h2_, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof settings[0]);
  nghttp2_session_set_local_window_size(h2_, NGHTTP2_FLAG_NONE, 0, limits::kHttp2ClientWindowBytes);
  unsigned ms = limits::kClientUserTimeoutMs;  // fails quietly on what is not TCP
  setsockopt(wire_->stream().fd(), IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
}

Session::~Session() {
  end(Error(Code::kUnavailable, cat(host_, ": the connection was closed")));
  alive_.reset();
  nghttp2_session_del(h2_);
}

void Session::run() {
  heard_us_ = Loop::current().now_us();
  silence_.arm_ms(limits::kPingAfterMs);
  tasks_.start(read());
  tasks_.start(write());
}

std::unique_ptr<Http2Exchange> Session::send(HttpClientRequest request) {
  auto s = std::make_shared<StreamState>();
  if (!usable()) {
    s->error = Error(Code::kUnavailable, cat(host_, ": the connection is over"));
    return std::make_unique<Exchange>(std::move(s));
  }
  std::vector<Header> all = {{":method", request.method}, {":scheme", scheme_}, {":authority", host_}, {":path", request.target}};
  for (Header& h : request.headers) all.push_back({std::move(h.name), safe_header_value(h.value)});
  if (request.body) all.push_back({"content-length", cat(request.body->size())});
  std::vector<nghttp2_nv> nv;
  for (Header& h : all) nv.push_back({reinterpret_cast<uint8_t*>(h.name.data()), reinterpret_cast<uint8_t*>(h.value.data()), h.name.size(), h.value.size(), NGHTTP2_NV_FLAG_NONE});
  s->upload = std::move(request.body);
  nghttp2_data_provider2 body{};
  body.read_callback = on_read;
  s->id = nghttp2_submit_request2(h2_, nullptr, nv.data(), nv.size(), s->upload ? &body : nullptr, nullptr);
  if (s->id < 0) {
    s->error = Error(Code::kUnavailable, cat(host_, ": the connection takes no more requests"));
    return std::make_unique<Exchange>(std::move(s));
  }
  s->session = this;
  streams_[s->id] = s;
  want_write();
  return std::make_unique<Exchange>(std::move(s));
}

void Session::end(Error why) {
  if (std::exchange(over_, true)) return;
  silence_.disarm();
  auto streams = std::move(streams_);
  streams_.clear();
  for (auto& [id, s] : streams) {
    s->session = nullptr;
    if (!s->done && !s->error) s->error = why;
    wake(s);
  }
  wire_->stream().close();
}

// Who hears nothing asks; who is not answered gives up.
void Session::look_at_silence() {
  int64_t silent_ms = (Loop::current().now_us() - heard_us_) / 1000;
  if (asked_ && silent_ms >= limits::kPingAfterMs) return end(Error(Code::kTimeout, cat(host_, ": no answer for ", silent_ms / 1000, " s; the connection was given up")));
  asked_ = silent_ms >= limits::kPingAfterMs;
  if (asked_) {
    nghttp2_submit_ping(h2_, NGHTTP2_FLAG_NONE, nullptr);
    want_write();
  }
  silence_.arm_ms(asked_ ? limits::kPingAnswerMs : std::max<int64_t>(1, limits::kPingAfterMs - silent_ms));
}

Task<void> Session::read() {
  for (;;) {
    std::string bytes(limits::kReceiveChunkBytes, '\0');
    Wire::Got got = wire_->try_read(bytes.data(), bytes.size());
    if (got.kind == Wire::Got::kWait) {
      bytes = std::string();  // no memory is held while waiting
      co_await wire_->readable();
      if (over_) co_return;
      continue;
    }
    if (got.kind == Wire::Got::kFailed) {
      Status failed = wire_->error();
      co_return end(Error(Code::kUnavailable, cat(host_, ": ", failed.ok() ? std::string("connection lost") : failed.error().message())));
    }
    if (got.kind == Wire::Got::kEnd) co_return end(Error(Code::kUnavailable, cat(host_, ": the connection ended before the answer did")));
    heard_us_ = Loop::current().now_us();
    asked_ = false;
    nghttp2_ssize used = nghttp2_session_mem_recv2(h2_, reinterpret_cast<const uint8_t*>(bytes.data()), got.bytes);
    if (used != static_cast<nghttp2_ssize>(got.bytes)) co_return end(Error(Code::kUnavailable, cat(host_, ": the answer is not HTTP/2 as it should be")));
    want_write();
  }
}

Task<void> Session::write() {
  for (;;) {
    const uint8_t* bytes;
    nghttp2_ssize n = 0;
    while (queue_.bytes() < limits::kSendAheadBytesMax && (n = nghttp2_session_mem_send2(h2_, &bytes)) > 0) {
      queue_.append(std::string(reinterpret_cast<const char*>(bytes), static_cast<size_t>(n)));
    }
    if (n < 0) co_return end(Error(Code::kInternal, cat(host_, ": ", nghttp2_strerror(static_cast<int>(n)))));
    if (!queue_.empty()) {
      Status sent = co_await wire_->flush(&queue_);
      if (over_) co_return;
      if (!sent.ok()) co_return end(Error(Code::kUnavailable, cat(host_, ": ", sent.error().message())));
      continue;
    }
    if (!nghttp2_session_want_read(h2_) && !nghttp2_session_want_write(h2_)) co_return end(Error(Code::kUnavailable, cat(host_, ": the connection is over")));
    co_await wanted_.wait();
    if (over_) co_return;
  }
}

int Session::on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_bytes, const uint8_t* value, size_t value_bytes, uint8_t, void* p) {
  StreamRef s = of(p)->find(frame->hd.stream_id);
  if (!s || frame->hd.type != NGHTTP2_HEADERS || s->head_done) return 0;  // trailers are dropped
  s->head_bytes += name_bytes + value_bytes + 32;
  if (s->head_bytes > limits::kHeaderBytesMax) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  std::string_view key(reinterpret_cast<const char*>(name), name_bytes), text(reinterpret_cast<const char*>(value), value_bytes);
  if (key == ":status") s->response.status = static_cast<int>(parse_int64(text).value_or(0));
  else s->response.headers.push_back({std::string(key), std::string(text)});
  return 0;
}

int Session::on_frame(nghttp2_session*, const nghttp2_frame* frame, void* p) {
  if (frame->hd.type == NGHTTP2_GOAWAY) of(p)->goaway_ = true;
  StreamRef s = of(p)->find(frame->hd.stream_id);
  if (!s || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)) return 0;
  if (frame->hd.type == NGHTTP2_HEADERS && !s->head_done) {
    if (s->response.status >= 100 && s->response.status < 200) {  // the answer itself is still to come
      s->response = HttpResponse();
      return 0;
    }
    s->head_done = true;
  }
  if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) s->done = true;
  wake(s);
  return 0;
}

int Session::on_data(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t count, void* p) {
  StreamRef s = of(p)->find(id);
  if (!s) {
    nghttp2_session_consume_connection(of(p)->h2_, count);  // nobody reads it any more
    return 0;
  }
  s->body.append(reinterpret_cast<const char*>(bytes), count);
  wake(s);
  return 0;
}

int Session::on_close(nghttp2_session*, int32_t id, uint32_t code, void* p) {
  StreamRef s = of(p)->find(id);
  if (!s) return 0;
  if (!s->done && !s->error) s->error = Error(Code::kUnavailable, cat(of(p)->host_, ": the request was ended by the peer: ", nghttp2_http2_strerror(code)));
  if (!s->body.empty()) nghttp2_session_consume_connection(of(p)->h2_, s->body.size());
  of(p)->forget(id);
  wake(s);
  return 0;
}

nghttp2_ssize Session::on_read(nghttp2_session*, int32_t id, uint8_t* to, size_t room, uint32_t* flags, nghttp2_data_source*, void* p) {
  StreamRef s = of(p)->find(id);
  if (!s) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  size_t n = std::min(room, s->upload->size() - s->uploaded);
  std::memcpy(to, s->upload->data() + s->uploaded, n);
  s->uploaded += n;
  if (s->uploaded == s->upload->size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<nghttp2_ssize>(n);
}

Task<void> read_whole(Http2Exchange* exchange, size_t body_bytes_max, std::string host, std::optional<Result<HttpResponse>>* out) {
  auto response = co_await exchange->head();
  while (response.ok()) {
    auto piece = co_await exchange->read_body();
    if (!piece.ok()) {
      out->emplace(piece.error());
      co_return;
    }
    if (!*piece) break;
    if (response->body.size() + (*piece)->size() > body_bytes_max) {
      out->emplace(Error(Code::kTooLarge, cat("answer of ", host, ": more than ", body_bytes_max, " bytes")));
      co_return;
    }
    response->body += **piece;
  }
  out->emplace(std::move(response));
}

}  // namespace

Task<Result<HttpResponse>> Http2Client::request(HttpClientRequest request, size_t body_bytes_max, int64_t timeout_ms) {
  std::string what = cat(request.method, " ", request.target.substr(0, request.target.find('?')));
  std::unique_ptr<Http2Exchange> exchange = send(std::move(request));
  std::optional<Result<HttpResponse>> out;
  {
    Race race;
    race.add(read_whole(exchange.get(), body_bytes_max, what, &out));
    if (timeout_ms > 0) race.within_ms(timeout_ms);
    co_await race.first().wait();
  }
  if (!out) co_return Error(Code::kTimeout, cat(what, ": no answer within ", timeout_ms / 1000, " s"));
  co_return std::move(*out);
}

Task<Result<std::unique_ptr<Http2Client>>> Http2Client::over(std::unique_ptr<Stream> stream, HttpClientTarget target) {
  std::string name = !target.server_name.empty() ? target.server_name : !target.address.empty() ? target.address : "localhost";
  std::string host = name.find(':') == std::string::npos ? name : cat("[", name, "]");
  if (target.port != 0) host += cat(":", target.port);
  auto wire = std::make_unique<Wire>(std::move(stream));
  if (target.tls) {
    Wire* w = wire.get();
    w->use_tls(*target.tls, name);
    Timer timeout([w] { w->stream().close(); });
    timeout.arm_ms(limits::kTlsHandshakeMs);
    Status shaken = co_await w->handshake();
    if (!shaken.ok()) co_return shaken.error().prefixed(host);
    if (w->tls()->alpn() != "h2") co_return Error(Code::kUnauthenticated, cat(host, ": does not speak HTTP/2"));
  }
  auto session = std::make_unique<Session>(std::move(wire), std::move(host), target.tls != nullptr);
  session->run();
  std::unique_ptr<Http2Client> out = std::move(session);
  co_return out;
}

Task<Result<std::unique_ptr<Http2Client>>> Http2Client::open(HttpClientTarget target) {
  auto address = SocketAddress::ip(target.address, target.port);
  CO_TRY(address);
  auto stream = co_await Stream::connect(*address, target.connect_timeout_ms);
  CO_TRY(stream);
  auto out = co_await over(std::move(*stream), std::move(target));
  co_return out;
}

}  // namespace bramble

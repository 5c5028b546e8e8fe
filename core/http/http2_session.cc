// HTTP/2 (RFC 9113) on one connection, framed by nghttp2. Bodies of answers are never copied: a DATA frame is its nine
// bytes and a slice of the handler's buffer.
#include <nghttp2/nghttp2.h>

#include <unordered_map>

#include "core/base/limits.h"
#include "core/http/message.h"
#include "core/http/session.h"

namespace bramble {

namespace {

class Http2Session;

// One stream: its request while it arrives, its answer while it leaves.
class Http2Stream final : public ConnectionSide {
 public:
  Http2Stream(Http2Session* s, int32_t stream_id);
  void respond(int status, std::vector<Header> headers, Buffer body) override;
  void begin(int status, std::vector<Header> headers) override;
  void chunk(Buffer bytes) override;
  void end() override;
  void abort() override;
  // RFC 8441 is not spoken, so nothing is ever upgraded here.
  void upgrade(std::vector<Header>, Upgraded) override {}
  void websocket_message(Buffer) override {}
  void websocket_close(int, std::string) override {}
  void websocket_room() override {}
  void peer_is_known() override;

  Http2Session* session;  // null once the stream is closed
  const int32_t id;
  std::shared_ptr<ReceivedRequest> request;
  size_t head_bytes = 0;
  int refusal = 0;
  bool handed_over = false, answered = false, streaming = false, ended = false, deferred = false, head_only = false;
  std::deque<Buffer> chunks;
  size_t chunk_offset = 0;  // into the first
};

class Http2Session final : public Session {
 public:
  explicit Http2Session(SessionHost* host);
  ~Http2Session() override;

  void receive(std::string_view bytes) override;
  void peer_finished() override { finish(); }
  bool wants_read() const override { return !closing_ && control_backlog_ <= limits::kSendAheadBytesMax; }
  void fill(SendQueue* queue) override;
  bool finished() const override {
    return closing_ || (!nghttp2_session_want_read(h2_) && !nghttp2_session_want_write(h2_));
  }
  SessionWait waits_for() const override {
    if (incomplete_ > 0) return SessionWait::kRequestBody;
    return streams_.empty() ? SessionWait::kIdle : SessionWait::kNothing;
  }
  uint64_t wait_epoch() const override { return epoch_; }
  void timed_out() override;
  void say_goodbye() override {
    nghttp2_session_terminate_session(h2_, NGHTTP2_NO_ERROR);
    host_->wake();
  }

  void submit_head(Http2Stream* s, int status, const std::vector<Header>& headers, std::optional<size_t> length,
                   bool with_body);
  void resume(Http2Stream* s);
  void reset(Http2Stream* s, uint32_t code);
  void peer_is_known();
  SessionHost* host() { return host_; }

 private:
  void finish();
  Http2Stream* find(int32_t id) {
    auto it = streams_.find(id);
    return it == streams_.end() ? nullptr : it->second.get();
  }
  void request_complete(Http2Stream* s);
  void refuse(Http2Stream* s, int status);
  bool take_header(Http2Stream* s, std::string_view name, std::string_view value);

  static Http2Session* of(void* p) { return static_cast<Http2Session*>(p); }
  static nghttp2_ssize on_send(nghttp2_session*, const uint8_t* bytes, size_t count, int, void* self);
  static int on_send_data(nghttp2_session*, nghttp2_frame*, const uint8_t* head, size_t count,
                          nghttp2_data_source* source, void* self);
  static nghttp2_ssize on_read_body(nghttp2_session*, int32_t id, uint8_t*, size_t max, uint32_t* flags,
                                    nghttp2_data_source*, void* self);
  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* self);
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_bytes,
                       const uint8_t* value, size_t value_bytes, uint8_t, void* self);
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* self);
  static int on_data(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t count, void* self);
  static int on_stream_close(nghttp2_session*, int32_t id, uint32_t, void* self);

  SessionHost* host_;
  nghttp2_session* h2_ = nullptr;
  std::unordered_map<int32_t, std::shared_ptr<Http2Stream>> streams_;
  size_t incomplete_ = 0;  // requests whose end has not arrived
  uint64_t epoch_ = 0;
  bool closing_ = false, goaway_ = false;
  size_t control_backlog_ = 0;
  SendQueue* filling_ = nullptr;
};

Http2Session::Http2Session(SessionHost* host) : host_(host) {
  nghttp2_session_callbacks* c;
  nghttp2_session_callbacks_new(&c);
  nghttp2_session_callbacks_set_send_callback2(c, on_send);
  nghttp2_session_callbacks_set_send_data_callback(c, on_send_data);
  nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(c, on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
  nghttp2_session_server_new(&h2_, c, this);
  nghttp2_session_callbacks_del(c);
  nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
       static_cast<uint32_t>(host_->peer_known ? limits::kStreamsPerConnectionMax : limits::kStreamsUnknownMax)},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits::kHttp2StreamWindowBytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(limits::kHeaderBytesMax)},
  };
  nghttp2_submit_settings(h2_, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof settings[0]);
  nghttp2_session_set_local_window_size(h2_, NGHTTP2_FLAG_NONE, 0, limits::kHttp2ConnectionWindowBytes);
}

Http2Session::~Http2Session() {
  finish();
  nghttp2_session_del(h2_);
}

void Http2Session::finish() {
  closing_ = true;
  auto streams = std::move(streams_);
  streams_.clear();
  incomplete_ = 0;
  for (auto& [id, s] : streams) {
    s->session = nullptr;
    if (s->handed_over) s->tell_gone();
  }
  host_->wake();
}

void Http2Session::receive(std::string_view bytes) {
  if (closing_) return;
  nghttp2_ssize used = nghttp2_session_mem_recv2(h2_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  // A bad preface or a broken callback; protocol errors of the peer are answered with GOAWAY by nghttp2 itself.
  if (used < 0) {
    nghttp2_session_terminate_session(h2_, NGHTTP2_PROTOCOL_ERROR);
    if (used == NGHTTP2_ERR_BAD_CLIENT_MAGIC || used == NGHTTP2_ERR_FLOODED) finish();
  }
  host_->wake();
}

void Http2Session::timed_out() {
  if (incomplete_ == 0) {
    nghttp2_session_terminate_session(h2_, NGHTTP2_NO_ERROR);
  } else {
    for (auto& [id, s] : streams_)
      if (!s->handed_over && !s->answered) nghttp2_submit_rst_stream(h2_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
  }
  epoch_++;
  host_->wake();
}

// --- requests ---

int Http2Session::on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* p) {
  auto* self = of(p);
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  auto s = std::make_shared<Http2Stream>(self, frame->hd.stream_id);
  s->request->http_major = 2;
  self->streams_[frame->hd.stream_id] = std::move(s);
  self->incomplete_++;
  self->epoch_++;
  return 0;
}

bool Http2Session::take_header(Http2Stream* s, std::string_view name, std::string_view value) {
  HttpRequest& r = *s->request;
  if (name == ":method") {
    r.method = value;
  } else if (name == ":path") {
    return split_target(value, &r.path, &r.query);
  } else if (name == ":authority") {
    r.headers.insert(r.headers.begin(), {"host", std::string(value)});
  } else if (name == "host") {
    if (find_header(r.headers, "host").empty()) r.headers.push_back({"host", std::string(value)});
  } else if (name == "cookie" && !find_header(r.headers, "cookie").empty()) {
    for (auto& h : r.headers)  // RFC 9113 section 8.2.3
      if (h.name == "cookie") h.value += cat("; ", value);
  } else if (!name.starts_with(':')) {
    r.headers.push_back({std::string(name), std::string(value)});
  }
  return true;
}

int Http2Session::on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_bytes,
                            const uint8_t* value, size_t value_bytes, uint8_t, void* p) {
  Http2Stream* s = of(p)->find(frame->hd.stream_id);
  if (!s || frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
    return 0;  // trailers are dropped
  s->head_bytes += name_bytes + value_bytes + 32;
  if (s->head_bytes > limits::kHeaderBytesMax) s->refusal = 431;
  else if (!s->refusal && !s->request->hold(name_bytes + value_bytes + 32)) s->refusal = 429;
  if (s->refusal) return 0;
  if (!of(p)->take_header(s, std::string_view(reinterpret_cast<const char*>(name), name_bytes),
                          std::string_view(reinterpret_cast<const char*>(value), value_bytes)))
    s->refusal = 400;
  return 0;
}

int Http2Session::on_data(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t count, void* p) {
  auto* self = of(p);
  Http2Stream* s = self->find(id);
  if (!s || s->answered || s->handed_over) return 0;
  if (s->request->body.size() + count > self->host_->body_bytes_max) {
    self->refuse(s, 413);
    return 0;
  }
  if (!s->request->hold(count)) {
    self->refuse(s, 429);
    return 0;
  }
  s->request->body.append(reinterpret_cast<const char*>(bytes), count);
  return 0;
}

int Http2Session::on_frame(nghttp2_session*, const nghttp2_frame* frame, void* p) {
  auto* self = of(p);
  bool carries_request = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
  if (!carries_request) return 0;
  Http2Stream* s = self->find(frame->hd.stream_id);
  if (!s || s->answered || s->handed_over) return 0;
  if (s->refusal) {
    self->refuse(s, s->refusal);
  } else if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
    self->request_complete(s);
  } else if (frame->hd.type == NGHTTP2_HEADERS && has_token(s->request->header("expect"), "100-continue")) {
    nghttp2_nv nv = {const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(":status")),
                     const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>("100")), 7, 3, NGHTTP2_NV_FLAG_NONE};
    nghttp2_submit_headers(self->h2_, NGHTTP2_FLAG_NONE, s->id, nullptr, &nv, 1, nullptr);
  }
  return 0;
}

void Http2Session::request_complete(Http2Stream* s) {
  s->handed_over = true;
  s->head_only = s->request->method == "HEAD";
  incomplete_--;
  epoch_++;
  host_->start(std::move(s->request), std::static_pointer_cast<Http2Stream>(s->shared_from_this()));
}

void Http2Session::refuse(Http2Stream* s, int status) {
  incomplete_--;
  epoch_++;
  Refusal refusal = refusal_of(status, host_->too_large_json);
  s->request.reset();
  s->respond(status, std::move(refusal.headers), make_buffer(std::move(refusal.body)));
}

int Http2Session::on_stream_close(nghttp2_session*, int32_t id, uint32_t, void* p) {
  auto* self = of(p);
  auto it = self->streams_.find(id);
  if (it == self->streams_.end()) return 0;
  std::shared_ptr<Http2Stream> s = std::move(it->second);
  self->streams_.erase(it);
  self->epoch_++;
  s->session = nullptr;
  if (!s->handed_over && !s->answered) self->incomplete_--;
  if (s->handed_over && !(s->ended && s->chunks.empty())) s->tell_gone();
  return 0;
}

// --- answers ---

void Http2Session::submit_head(Http2Stream* s, int status, const std::vector<Header>& headers,
                               std::optional<size_t> length, bool with_body) {
  s->answered = true;
  std::string status_text = cat(status), date = http_date(), length_text = length ? cat(*length) : std::string();
  std::vector<std::string> values;
  values.reserve(headers.size());
  std::vector<nghttp2_nv> nv;
  auto push = [&](std::string_view name, std::string_view value) {
    nv.push_back({const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(name.data())),
                  const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(value.data())), name.size(), value.size(),
                  NGHTTP2_NV_FLAG_NONE});
  };
  push(":status", status_text);
  bool has_date = false, last = false;
  for (auto& h : headers) {
    last |= h.name == "connection" && h.value == "close";
    // What speaks of the connection has no place here (RFC 9113 section 8.2.2).
    if (!valid_header_name(h.name) || h.name == "connection" || h.name == "transfer-encoding" ||
        h.name == "keep-alive" || h.name == "upgrade" || h.name == "content-length")
      continue;
    has_date |= h.name == "date";
    values.push_back(safe_header_value(h.value));
    push(h.name, values.back());
  }
  if (!has_date) push("date", date);
  if (length) push("content-length", length_text);
  nghttp2_data_provider2 body{};
  body.read_callback = on_read_body;
  int rc = nghttp2_submit_response2(h2_, s->id, nv.data(), nv.size(), with_body ? &body : nullptr);
  if (rc != 0) nghttp2_submit_rst_stream(h2_, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_INTERNAL_ERROR);
  if (last && !std::exchange(goaway_, true))
    nghttp2_submit_goaway(h2_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(h2_), NGHTTP2_NO_ERROR, nullptr, 0);
  host_->wake();
}

void Http2Session::peer_is_known() {
  if (std::exchange(host_->peer_known, true)) return;
  nghttp2_settings_entry more{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, static_cast<uint32_t>(limits::kStreamsPerConnectionMax)};
  nghttp2_submit_settings(h2_, NGHTTP2_FLAG_NONE, &more, 1);
  host_->wake();
}

void Http2Session::resume(Http2Stream* s) {
  if (!s->deferred) return;
  s->deferred = false;
  nghttp2_session_resume_data(h2_, s->id);
  host_->wake();
}

void Http2Session::reset(Http2Stream* s, uint32_t code) {
  nghttp2_submit_rst_stream(h2_, NGHTTP2_FLAG_NONE, s->id, code);
  host_->wake();
}

nghttp2_ssize Http2Session::on_read_body(nghttp2_session*, int32_t id, uint8_t*, size_t max, uint32_t* flags,
                                         nghttp2_data_source*, void* p) {
  Http2Stream* s = of(p)->find(id);
  if (!s) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  if (s->chunks.empty()) {
    if (!s->ended) {
      s->deferred = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return 0;
  }
  size_t left = s->chunks.front()->size() - s->chunk_offset;
  size_t n = left < max ? left : max;
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (n == left && s->chunks.size() == 1 && s->ended) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<nghttp2_ssize>(n);
}

int Http2Session::on_send_data(nghttp2_session*, nghttp2_frame* frame, const uint8_t* head, size_t count,
                               nghttp2_data_source*, void* p) {
  auto* self = of(p);
  if (self->filling_->bytes() >= limits::kSendAheadBytesMax) return NGHTTP2_ERR_WOULDBLOCK;
  Http2Stream* s = self->find(frame->hd.stream_id);
  if (!s) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  constexpr size_t kFrameHeadBytes = 9;
  self->filling_->append(std::string(reinterpret_cast<const char*>(head), kFrameHeadBytes));
  self->filling_->append(s->chunks.front(), s->chunk_offset, count);
  s->chunk_offset += count;
  if (s->chunk_offset == s->chunks.front()->size()) {
    s->chunks.pop_front();
    s->chunk_offset = 0;
  }
  if (s->streaming) s->tell_framed(count);
  return 0;
}

nghttp2_ssize Http2Session::on_send(nghttp2_session*, const uint8_t* bytes, size_t count, int, void* p) {
  auto* self = of(p);
  if (self->filling_->bytes() >= limits::kSendAheadBytesMax) return NGHTTP2_ERR_WOULDBLOCK;
  self->filling_->append(std::string(reinterpret_cast<const char*>(bytes), count));
  return static_cast<nghttp2_ssize>(count);
}

void Http2Session::fill(SendQueue* queue) {
  filling_ = queue;
  if (nghttp2_session_send(h2_) != 0) finish();
  filling_ = nullptr;
  control_backlog_ = nghttp2_session_get_outbound_queue_size(h2_) * 9;
}

Http2Stream::Http2Stream(Http2Session* s, int32_t stream_id)
    : session(s), id(stream_id), request(std::make_shared<ReceivedRequest>(s->host()->budget, s->host()->peer_known)) {}

void Http2Stream::peer_is_known() {
  if (session) session->peer_is_known();
}

void Http2Stream::respond(int status, std::vector<Header> headers, Buffer body) {
  if (!session) return;
  bool with_body = may_have_body(status) && !head_only && !body->empty();
  std::optional<size_t> length;
  if (may_have_body(status)) length = body->size();
  if (with_body) chunks.push_back(std::move(body));
  ended = true;
  session->submit_head(this, status, headers, length, with_body);
}

void Http2Stream::begin(int status, std::vector<Header> headers) {
  if (!session) return;
  streaming = true;
  if (!may_have_body(status) || head_only) ended = true;
  session->submit_head(this, status, headers, std::nullopt, !ended);
}

void Http2Stream::chunk(Buffer bytes) {
  if (!session) return;
  if (ended) {
    tell_framed(bytes->size());
    return;
  }
  chunks.push_back(std::move(bytes));
  session->resume(this);
}

void Http2Stream::end() {
  if (!session) return;
  ended = true;
  session->resume(this);
}

void Http2Stream::abort() {
  if (session) session->reset(this, NGHTTP2_INTERNAL_ERROR);
}

}  // namespace

std::unique_ptr<Session> make_http2_session(SessionHost* host) { return std::make_unique<Http2Session>(host); }

}  // namespace bramble

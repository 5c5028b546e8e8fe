#include "core/http/exchange.h"

#include "core/base/limits.h"
#include "core/http/message.h"
#include "core/http/websocket_frames.h"

namespace bramble {

namespace {

// What a side posts to the other: fn with the other side, if it is still there.
template <class Side, class F>
void post_to(const Loop::Remote& loop, const std::weak_ptr<Side>& side, F fn) {
  loop.post([side, fn = std::move(fn)] {
    if (auto s = side.lock()) fn(*s);
  });
}

}  // namespace

// The owner's half of an accepted WebSocket, shared by the handler's WebSocket and the OwnerSide.
struct WebSocketInbox {
  std::deque<std::string> messages;
  bool closed = false;
  Event changed;
};

class OwnerSide final : public Responder, public std::enable_shared_from_this<OwnerSide> {
 public:
  OwnerSide(std::shared_ptr<const HttpRequest> request, Loop::Remote loop,
            const std::shared_ptr<ConnectionSide>& connection)
      : request_(std::move(request)), loop_(std::move(loop)), connection_(connection), flow_(connection->flow) {}

  ~OwnerSide() override {
    if (state_ == State::kUnanswered)
      to_connection([](ConnectionSide& c) { c.respond(500, {}, make_buffer("")); });
    else if (state_ == State::kStreaming)
      to_connection([](ConnectionSide& c) { c.abort(); });
  }

  void send(int status, std::vector<Header> headers, Buffer body) override {
    CHECK(state_ == State::kUnanswered, "answered twice: ", request_->path);
    state_ = State::kDone;
    if (!body) body = make_buffer("");
    auto shared = std::make_shared<std::vector<Header>>(std::move(headers));
    to_connection([status, shared, body](ConnectionSide& c) { c.respond(status, std::move(*shared), body); });
  }

  void begin(int status, std::vector<Header> headers) override {
    CHECK(state_ == State::kUnanswered, "answered twice: ", request_->path);
    state_ = State::kStreaming;
    auto shared = std::make_shared<std::vector<Header>>(std::move(headers));
    to_connection([status, shared](ConnectionSide& c) { c.begin(status, std::move(*shared)); });
  }

  Task<bool> write(Buffer chunk) override {
    CHECK(state_ == State::kStreaming, "write outside begin and end: ", request_->path);
    if (gone_.is_set()) co_return false;
    if (!chunk || chunk->empty()) co_return true;
    flow_->ahead += chunk->size();
    to_connection([chunk](ConnectionSide& c) { c.chunk(chunk); });
    chunk.reset();
    auto self = shared_from_this();
    bool still_there = co_await self->room();
    co_return still_there;
  }

  void end() override {
    if (state_ != State::kStreaming) return;
    state_ = State::kDone;
    to_connection([](ConnectionSide& c) { c.end(); });
  }

  Task<std::unique_ptr<WebSocket>> accept_websocket(std::vector<std::string> protocols) override;
  std::unique_ptr<WebSocket> hand_over(std::vector<Header> headers) override;

  Event& gone() override { return gone_; }
  void peer_is_known() override {
    if (!request_->peer_known) to_connection([](ConnectionSide& c) { c.peer_is_known(); });
  }

  // From the connection.
  void on_gone() {
    auto keep = shared_from_this();
    gone_.set();
    room_.pulse();
    on_websocket_closed();
  }
  void on_room() {
    auto keep = shared_from_this();
    room_.pulse();
  }
  void on_websocket_message(std::string message) {
    auto inbox = inbox_;
    if (!inbox || inbox->closed) return;
    inbox->messages.push_back(std::move(message));
    inbox->changed.pulse();
  }
  void on_websocket_closed() {
    auto inbox = inbox_;
    if (!inbox || inbox->closed) return;
    inbox->closed = true;
    auto keep = shared_from_this();
    inbox->changed.pulse();
    room_.pulse();
  }

  // For the WebSocket.
  // Waits until less than kSendAheadBytesMax is on its way; false: the peer is gone.
  Task<bool> room() {
    for (;;) {
      if (gone_.is_set() || (inbox_ && inbox_->closed)) co_return false;
      if (flow_->ahead < limits::kSendAheadBytesMax) co_return true;
      flow_->writer_waits = true;
      if (flow_->ahead < limits::kSendAheadBytesMax) co_return true;  // it was framed between the two looks
      co_await room_.wait();
    }
  }
  template <class F>
  void to_connection(F fn) {
    post_to(loop_, connection_, std::move(fn));
  }
  ExchangeFlow& flow() { return *flow_; }
  std::shared_ptr<WebSocketInbox> inbox() { return inbox_; }

 private:
  void upgrade(std::vector<Header> headers, ConnectionSide::Upgraded to);
  enum class State { kUnanswered, kStreaming, kDone };
  State state_ = State::kUnanswered;
  std::shared_ptr<const HttpRequest> request_;
  Loop::Remote loop_;
  std::weak_ptr<ConnectionSide> connection_;  // locked on the connection thread alone
  std::shared_ptr<ExchangeFlow> flow_;
  std::shared_ptr<WebSocketInbox> inbox_;
  Event gone_, room_;
};

namespace {

class OwnerWebSocket final : public WebSocket {
 public:
  OwnerWebSocket(std::shared_ptr<OwnerSide> side, std::string protocol)
      : side_(std::move(side)), inbox_(side_->inbox()), protocol_(std::move(protocol)) {}
  ~OwnerWebSocket() override { close(kWebSocketNormal, ""); }

  const std::string& protocol() const override { return protocol_; }

  Task<std::optional<std::string>> receive() override {
    auto inbox = inbox_;
    while (inbox->messages.empty() && !inbox->closed) co_await inbox->changed.wait();
    if (inbox->messages.empty()) co_return std::nullopt;
    std::optional<std::string> out(std::move(inbox->messages.front()));
    inbox->messages.pop_front();
    side_->flow().unread -= out->size();
    if (side_->flow().reader_waits.exchange(false)) side_->to_connection([](ConnectionSide& c) { c.websocket_room(); });
    co_return out;
  }

  Task<bool> send(std::string message) override {
    if (closed_ || inbox_->closed) co_return false;
    auto side = side_;
    Buffer payload = make_buffer(std::move(message));
    side->flow().ahead += payload->size();
    side->to_connection([payload](ConnectionSide& c) { c.websocket_message(payload); });
    payload.reset();
    bool still_there = co_await side->room();
    co_return still_there;
  }

  void close(int code, std::string reason) override {
    if (closed_) return;
    closed_ = true;
    side_->to_connection([code, reason](ConnectionSide& c) { c.websocket_close(code, reason); });
  }

 private:
  std::shared_ptr<OwnerSide> side_;
  std::shared_ptr<WebSocketInbox> inbox_;
  std::string protocol_;
  bool closed_ = false;
};

// RFC 6455 section 4.2.1.
bool valid_websocket_request(const HttpRequest& r) {
  auto key = base64_decode(r.header("sec-websocket-key"));
  return r.http_major == 1 && r.method == "GET" && has_token(r.header("connection"), "upgrade") &&
         has_token(r.header("upgrade"), "websocket") && r.header("sec-websocket-version") == "13" && key &&
         key->size() == 16;
}

bool valid_spdy_request(const HttpRequest& r) { return r.asks_for_upgrade() && has_token(r.header("upgrade"), "SPDY/3.1"); }

// The first of ours that the client offers. nullopt: it offers some, but none of ours.
std::optional<std::string> choose_protocol(const HttpRequest& r, std::string_view header, const std::vector<std::string>& ours) {
  bool offered = false;
  for (auto& h : r.headers) {
    if (h.name != header) continue;
    for (auto offer : split(h.value, ',')) {
      offered = true;
      for (auto& p : ours)
        if (trim(offer) == p) return p;
    }
  }
  if (offered && !ours.empty()) return std::nullopt;
  return std::string();
}

}  // namespace

Task<std::unique_ptr<WebSocket>> OwnerSide::accept_websocket(std::vector<std::string> protocols) {
  auto self = shared_from_this();
  bool spdy = valid_spdy_request(*request_);
  std::string_view header = spdy ? "x-stream-protocol-version" : "sec-websocket-protocol";
  auto protocol = choose_protocol(*request_, header, protocols);
  if ((!spdy && !valid_websocket_request(*request_)) || !protocol) {
    std::vector<Header> headers;
    headers.push_back({"content-type", "text/plain; charset=utf-8"});
    send(400, std::move(headers), make_buffer(protocol ? "Bad Request" : "unable to negotiate a subprotocol"));
    co_return nullptr;
  }
  std::vector<Header> headers;
  headers.push_back({"upgrade", spdy ? "SPDY/3.1" : "websocket"});
  headers.push_back({"connection", "Upgrade"});
  if (!spdy) headers.push_back({"sec-websocket-accept", websocket_accept_value(request_->header("sec-websocket-key"))});
  if (!protocol->empty()) headers.push_back({std::string(header), *protocol});
  upgrade(std::move(headers), spdy ? ConnectionSide::Upgraded::kBytes : ConnectionSide::Upgraded::kMessages);
  std::unique_ptr<WebSocket> out = std::make_unique<OwnerWebSocket>(self, *protocol);
  co_return out;
}

std::unique_ptr<WebSocket> OwnerSide::hand_over(std::vector<Header> headers) {
  CHECK(request_->asks_for_upgrade(), "handed over without being asked: ", request_->path);
  upgrade(std::move(headers), ConnectionSide::Upgraded::kBytes);
  return std::make_unique<OwnerWebSocket>(shared_from_this(), "");
}

void OwnerSide::upgrade(std::vector<Header> headers, ConnectionSide::Upgraded to) {
  CHECK(state_ == State::kUnanswered, "answered twice: ", request_->path);
  state_ = State::kDone;
  inbox_ = std::make_shared<WebSocketInbox>();
  inbox_->closed = gone_.is_set();
  auto shared = std::make_shared<std::vector<Header>>(std::move(headers));
  to_connection([shared, to](ConnectionSide& c) { c.upgrade(std::move(*shared), to); });
}

std::shared_ptr<OwnerSide> make_owner_side(std::shared_ptr<const HttpRequest> request, Loop::Remote connection_loop,
                                           const std::shared_ptr<ConnectionSide>& connection) {
  return std::make_shared<OwnerSide>(std::move(request), std::move(connection_loop), connection);
}
std::shared_ptr<Responder> as_responder(const std::shared_ptr<OwnerSide>& owner) { return owner; }

void ConnectionSide::tell_gone() {
  post_to(owner_loop, owner, [](OwnerSide& o) { o.on_gone(); });
}
void ConnectionSide::tell_framed(size_t bytes) {
  size_t left = flow->ahead.fetch_sub(bytes) - bytes;
  if (left < limits::kSendAheadBytesMax && flow->writer_waits.exchange(false))
    post_to(owner_loop, owner, [](OwnerSide& o) { o.on_room(); });
}
void ConnectionSide::tell_websocket_message(std::string message) {
  flow->unread += message.size();
  auto shared = std::make_shared<std::string>(std::move(message));
  post_to(owner_loop, owner, [shared](OwnerSide& o) { o.on_websocket_message(std::move(*shared)); });
}
void ConnectionSide::tell_websocket_closed() {
  post_to(owner_loop, owner, [](OwnerSide& o) { o.on_websocket_closed(); });
}
bool ConnectionSide::websocket_full() const {
  if (flow->unread < limits::kWebSocketUnreadBytesMax) return false;
  flow->reader_waits = true;
  return flow->unread >= limits::kWebSocketUnreadBytesMax;
}

}  // namespace bramble

#include "core/client/tunnel.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "core/base/limits.h"
#include "core/base/limits_client.h"
#include "core/base/unique_fd.h"
#include "core/loop/race.h"

namespace bramble {

namespace {

constexpr size_t kHeadBytes = 5;

std::string number(uint32_t n) {
  std::string out;
  for (int shift : {24, 16, 8, 0}) out += static_cast<char>(n >> shift);
  return out;
}

uint32_t number_at(std::string_view bytes) {
  uint32_t out = 0;
  for (size_t i = 0; i < 4; ++i) out = out << 8 | static_cast<unsigned char>(bytes[i]);
  return out;
}

}  // namespace

// One stream: what is between its local end and the tunnel.
struct Tunnel::Carried {
  uint32_t id = 0;
  std::unique_ptr<Stream> stream;  // null until it is opened
  std::string why_not;
  bool answered = false, gone = false;
  size_t may_send = limits::kTunnelWindowBytes;  // until the other side has read more
  std::deque<std::string> in;
  size_t in_bytes = 0;
  bool in_ended = false, in_done = false, out_done = false;
  Event changed;
  TaskGroup tasks;
};

Tunnel::Tunnel(std::unique_ptr<WebSocket> socket, Dial dial) : socket_(std::move(socket)), dial_(std::move(dial)) {}
Tunnel::~Tunnel() { end(); }

// Streams see their end; who waits to open one is told.
void Tunnel::end() {
  if (std::exchange(over_, true)) return;
  silence_.disarm();
  auto streams = std::move(streams_);
  streams_.clear();
  for (auto& [id, c] : streams) {
    c->gone = true;
    // Not from within a task of its own.
    CarriedRef held = c;
    Loop::current().post([held] {
      if (held->stream) held->stream->close();
      held->changed.pulse();
      held->tasks.cancel_all();
      held->stream.reset();
    });
  }
  std::shared_ptr<Event> ended = ended_;
  Loop::current().post([ended] { ended->set(); });
}

Task<void> Tunnel::run() {
  heard_us_ = Loop::current().now_us();
  silence_.arm_ms(limits::kTunnelPingMs);
  tasks_.start(transmit());
  tasks_.start(receive());
  std::shared_ptr<Event> ended = ended_;
  co_await ended->wait();
}

void Tunnel::look_at_silence() {
  int64_t silent_ms = (Loop::current().now_us() - heard_us_) / 1000;
  if (silent_ms >= 2 * limits::kTunnelPingMs) return end();
  if (silent_ms >= limits::kTunnelPingMs) send(kPing, 0);
  silence_.arm_ms(limits::kTunnelPingMs);
}

void Tunnel::send(Type type, uint32_t id, std::string_view content) {
  if (over_) return;
  std::string message(1, static_cast<char>(type));
  message += number(id);
  message += content;
  out_bytes_ += message.size();
  out_.push_back(std::move(message));
  wanted_.pulse();
}

Task<void> Tunnel::transmit() {
  for (;;) {
    while (out_.empty() && !over_) co_await wanted_.wait();
    if (over_) co_return;
    std::string message = std::move(out_.front());
    out_.pop_front();
    out_bytes_ -= message.size();
    bool good = co_await socket_->send(std::move(message));
    if (!good) co_return end();
    room_.pulse();
  }
}

Task<void> Tunnel::receive() {
  for (;;) {
    auto message = co_await socket_->receive();
    if (over_) co_return;
    if (!message) co_return end();
    heard_us_ = Loop::current().now_us();
    if (!take(std::move(*message))) {
      socket_->close(1002, "");
      co_return end();
    }
  }
}

// False: the other side broke the rules.
bool Tunnel::take(std::string message) {
  if (message.size() < kHeadBytes) return false;
  Type type = static_cast<Type>(message[0]);
  uint32_t id = number_at(std::string_view(message).substr(1));
  message.erase(0, kHeadBytes);
  if (type == kPing) {
    send(kPong, 0);
    return true;
  }
  if (type == kPong) return true;
  if (type != kOpen) return take_of_stream(type, id, std::move(message));
  if (!dial_ || streams_.contains(id)) return false;
  if (streams_.size() >= limits::kTunnelStreamsMax) {
    send(kRefused, id, "too many streams");
    return true;
  }
  auto c = std::make_shared<Carried>();
  c->id = id;
  streams_[id] = c;
  c->tasks.start(dial(id, std::move(message)));
  return true;
}

// Of a stream that has ended here what is still on the way is dropped.
bool Tunnel::take_of_stream(Type type, uint32_t id, std::string content) {
  auto it = streams_.find(id);
  if (it == streams_.end()) return true;
  CarriedRef c = it->second;
  switch (type) {
    case kOpened:
    case kRefused:
      if (dial_ || c->answered) return false;
      c->answered = true;
      if (type == kRefused) c->why_not = content.empty() ? "refused" : std::move(content);
      break;
    case kData:
      c->in_bytes += content.size();
      if (c->in_bytes > limits::kTunnelWindowBytes || c->in_ended) return false;
      c->in.push_back(std::move(content));
      break;
    case kEnd:
      c->in_ended = true;
      break;
    case kReset:
      finish(c, false);
      return true;
    case kWindow:
      if (content.size() != 4) return false;
      c->may_send = std::min<size_t>(c->may_send + number_at(content), limits::kTunnelWindowBytes);
      break;
    default:
      return false;
  }
  Loop::current().post([c] { c->changed.pulse(); });
  return true;
}

Task<void> Tunnel::dial(uint32_t id, std::string name) {
  auto stream = co_await dial_(std::move(name));
  auto it = streams_.find(id);
  if (it == streams_.end()) co_return;
  CarriedRef c = it->second;
  if (!stream.ok()) {
    send(kRefused, id, std::string_view(stream.error().message()).substr(0, limits::kTunnelPieceBytes));
    co_return finish(c, false);
  }
  c->answered = true;
  send(kOpened, id);
  begin(c, std::move(*stream));
}

void Tunnel::begin(const CarriedRef& c, std::unique_ptr<Stream> stream) {
  c->stream = std::move(stream);
  c->tasks.start(carry_out(c));
  c->tasks.start(carry_in(c));
}

Task<Result<std::unique_ptr<Stream>>> Tunnel::open(std::string name) {
  if (over_) co_return Error(Code::kUnavailable, "the tunnel is over");
  if (streams_.size() >= limits::kTunnelStreamsMax) co_return Error(Code::kExhausted, "the tunnel has too many streams");
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) co_return Error::from_errno(errno, "socketpair");
  auto ours = std::make_unique<Stream>(UniqueFd(fds[0])), theirs = std::make_unique<Stream>(UniqueFd(fds[1]));
  auto c = std::make_shared<Carried>();
  c->id = next_id_++;
  streams_[c->id] = c;
  // Who gives up waiting leaves nothing behind.
  struct Guard {
    Tunnel* tunnel;
    CarriedRef c;
    ~Guard() {
      if (!c->answered && !c->gone) tunnel->finish(c, true);
    }
  } guard{this, c};
  send(kOpen, c->id, name);
  while (!c->answered && !c->gone) co_await c->changed.wait();
  if (c->gone) co_return Error(Code::kUnavailable, "the tunnel is over");
  if (!c->why_not.empty()) {
    Error why(Code::kUnavailable, c->why_not);
    finish(c, false);
    co_return why;
  }
  begin(c, std::move(ours));
  co_return theirs;
}

// Both directions have ended, or one has failed. Not destroyed from within its own tasks.
void Tunnel::finish(const CarriedRef& c, bool reset) {
  if (std::exchange(c->gone, true)) return;
  if (reset) send(kReset, c->id);
  streams_.erase(c->id);
  CarriedRef held = c;
  Loop::current().post([held] {
    held->changed.pulse();
    held->tasks.cancel_all();
    held->stream.reset();
  });
}

void Tunnel::finish_if_done(const CarriedRef& c) {
  if (c->in_done && c->out_done) finish(c, false);
}

Task<void> Tunnel::carry_out(CarriedRef c) {
  for (;;) {
    // Of a stream that is gone the tunnel may be as well.
    while (!c->gone && (c->may_send == 0 || out_bytes_ >= limits::kSendAheadBytesMax)) {
      if (c->may_send == 0) co_await c->changed.wait();
      else co_await room_.wait();
    }
    if (c->gone) co_return;
    auto bytes = co_await c->stream->read_some(std::min(c->may_send, limits::kTunnelPieceBytes));
    if (c->gone) co_return;
    if (!bytes.ok()) co_return finish(c, true);
    if (bytes->empty()) break;
    c->may_send -= bytes->size();
    send(kData, c->id, *bytes);
  }
  send(kEnd, c->id);
  c->out_done = true;
  finish_if_done(c);
}

Task<void> Tunnel::carry_in(CarriedRef c) {
  for (;;) {
    while (c->in.empty() && !c->in_ended && !c->gone) co_await c->changed.wait();
    if (c->gone) co_return;
    if (c->in.empty()) break;
    std::string bytes = std::move(c->in.front());
    c->in.pop_front();
    size_t n = bytes.size();
    Status written = co_await c->stream->write_all(std::move(bytes));
    if (c->gone) co_return;
    if (!written.ok()) co_return finish(c, true);
    c->in_bytes -= n;
    send(kWindow, c->id, number(static_cast<uint32_t>(n)));
  }
  c->stream->shutdown_write();
  c->in_done = true;
  finish_if_done(c);
}

Task<void> TunnelHub::serve(std::string node, std::unique_ptr<WebSocket> socket) {
  auto tunnel = std::make_shared<Tunnel>(std::move(socket), Tunnel::Dial());
  tunnels_[node] = tunnel;
  // Dropped with its server: it is not in the way of the next.
  struct Guard {
    TunnelHub* hub;
    std::string node;
    std::shared_ptr<Tunnel> tunnel;
    ~Guard() {
      if (auto it = hub->tunnels_.find(node); it != hub->tunnels_.end() && it->second == tunnel) hub->tunnels_.erase(it);
    }
  } guard{this, node, tunnel};
  co_await tunnel->run();
}

bool TunnelHub::has(const std::string& node) const {
  auto it = tunnels_.find(node);
  return it != tunnels_.end() && it->second->standing();
}

Task<Result<std::unique_ptr<Stream>>> TunnelHub::open(std::string node, std::string name) {
  auto it = tunnels_.find(node);
  if (it == tunnels_.end()) co_return Error(Code::kUnavailable, cat("node ", node, " has no tunnel"));
  std::shared_ptr<Tunnel> held = it->second;
  auto stream = co_await held->open(std::move(name));
  co_return stream;
}

}  // namespace bramble

#include "core/client/port_forward.h"

#include <map>

#include "core/loop/race.h"
#include "core/base/limits.h"
#include "core/http/message.h"
#include "core/http/spdy.h"
#include "core/loop/channel.h"
#include "core/registry/api_status.h"

namespace bramble {

namespace {

constexpr std::string_view kProtocol = "SPDY/3.1+portforward.k8s.io";
constexpr std::string_view kChannelProtocol = "v4.channel.k8s.io";
constexpr size_t kChannelPortsMax = 128;  // a channel's number is one byte, and a port has two
constexpr uint32_t kRefusedStream = 3;

// What the client sends goes to the pod, until either ends.
Task<void> copy_to_pod(Channel<std::string>* from_client, DuplexStream* stream) {
  for (;;) {
    auto bytes = co_await from_client->receive();
    if (!bytes) break;
    bool good = co_await stream->write(std::move(*bytes));
    if (!good) co_return;
  }
  stream->close_write();
}

// One WebSocket with its SPDY streams.
class Forwarder {
 public:
  Forwarder(std::unique_ptr<WebSocket> socket, NodeStreams* node, ObjectKey pod)
      : socket_(std::move(socket)), node_(node), pod_(std::move(pod)) {}

  Task<void> run() {
    for (;;) {
      auto received = co_await socket_->receive();
      if (!received) co_return;
      auto frames = codec_.feed(*received);
      if (!frames.ok()) {
        socket_->close(1002, frames.error().message());
        co_return;
      }
      for (SpdyFrame& frame : *frames) {
        bool good = co_await take(std::move(frame));
        if (!good) co_return;
      }
    }
  }

 private:
  // A connection to the pod: its pair of streams, and what the client has sent to it.
  struct Connection {
    std::string request_id;
    uint32_t error_stream = 0, data_stream = 0;
    Channel<std::string> from_client{limits::kForwardQueueMax};
    bool started = false;
  };
  using ConnectionRef = std::shared_ptr<Connection>;

  Task<bool> take(SpdyFrame frame) {
    switch (frame.type) {
      case SpdyFrame::Type::kSynStream: {
        bool good = co_await open(std::move(frame));
        co_return good;
      }
      case SpdyFrame::Type::kData: {
        auto it = by_stream_.find(frame.stream);
        if (it == by_stream_.end() || it->second->data_stream != frame.stream) co_return true;
        ConnectionRef c = it->second;
        // Waiting here holds back the whole WebSocket: a pod that does not read slows its own client only.
        if (!frame.data.empty()) co_await c->from_client.send(std::move(frame.data));
        if (frame.fin) c->from_client.close();
        co_return true;
      }
      case SpdyFrame::Type::kRstStream: {
        auto it = by_stream_.find(frame.stream);
        if (it != by_stream_.end()) it->second->from_client.close();
        co_return true;
      }
      case SpdyFrame::Type::kPing: {
        std::string pong = SpdyCodec::ping(frame.number);
        bool good = co_await socket_->send(pong);
        co_return good;
      }
      case SpdyFrame::Type::kGoAway:
        co_return false;
      default:
        co_return true;
    }
  }

  Task<bool> open(SpdyFrame frame) {
    std::string type(frame.header("streamtype")), id(frame.header("requestid"));
    auto port = parse_uint64(frame.header("port"));
    bool sane = (type == "error" || type == "data") && port && *port > 0 && *port < 65536;
    ConnectionRef c;
    if (sane) {
      ConnectionRef& slot = by_request_[id];
      if (!slot && by_request_.size() <= limits::kForwardStreamsMax) slot = std::make_shared<Connection>();
      c = slot;
      if (!c) by_request_.erase(id);
    }
    if (!c) {
      std::string refusal = SpdyCodec::rst_stream(frame.stream, kRefusedStream);
      bool refused = co_await socket_->send(refusal);
      co_return refused;
    }
    c->request_id = id;
    (type == "error" ? c->error_stream : c->data_stream) = frame.stream;
    by_stream_[frame.stream] = c;
    std::string reply = codec_.syn_reply(frame.stream, {}, false);
    bool good = co_await socket_->send(reply);
    if (!good) co_return false;
    if (c->error_stream != 0 && c->data_stream != 0 && !c->started) {
      c->started = true;
      connections_.start(serve(c, static_cast<uint16_t>(*port)));
    }
    co_return true;
  }

  Task<void> serve(ConnectionRef c, uint16_t port) {
    auto opened = co_await node_->port_forward(pod_, port);
    std::string error;
    if (!opened.ok()) {
      error = cat("error forwarding port ", port, " to pod ", pod_.name, ", uid : ", opened.error().message());
    } else {
      std::unique_ptr<DuplexStream> stream = std::move(*opened);
      TaskGroup writer;
      writer.start(copy_to_pod(&c->from_client, stream.get()));
      for (;;) {
        auto bytes = co_await stream->read();
        if (!bytes) break;
        std::string frame = SpdyCodec::data(c->data_stream, *bytes, false);
        bool good = co_await socket_->send(frame);
        if (!good) co_return;
      }
    }
    if (!error.empty()) {
      std::string text = SpdyCodec::data(c->error_stream, error, false);
      co_await socket_->send(text);
    }
    std::string data_end = SpdyCodec::data(c->data_stream, "", true);
    co_await socket_->send(data_end);
    std::string error_end = SpdyCodec::data(c->error_stream, "", true);
    co_await socket_->send(error_end);
    c->from_client.close();
    by_stream_.erase(c->data_stream);
    by_stream_.erase(c->error_stream);
    by_request_.erase(c->request_id);
  }

  std::unique_ptr<WebSocket> socket_;
  NodeStreams* node_;
  ObjectKey pod_;
  SpdyCodec codec_;
  std::map<std::string, ConnectionRef> by_request_;
  std::map<uint32_t, ConnectionRef> by_stream_;
  TaskGroup connections_;
};

// One WebSocket with one connection to each of the ports that its URL names. The first byte of a message is its channel: 2n the
// bytes of port n, 2n + 1 why it failed; the first message of each channel is the port's number, little-endian.
class ChannelForwarder {
 public:
  ChannelForwarder(std::unique_ptr<WebSocket> socket, NodeStreams* node, ObjectKey pod, const std::vector<uint16_t>& ports)
      : socket_(std::move(socket)), node_(node), pod_(std::move(pod)), open_(ports.size()) {
    for (uint16_t number : ports) {
      ports_.push_back(std::make_unique<Port>());
      ports_.back()->number = number;
    }
  }

  // Until all connections have ended, or the client goes.
  Task<void> run() {
    for (size_t n = 0; n < ports_.size(); n++) {
      uint16_t number = ports_[n]->number;
      std::string bytes = {static_cast<char>(number & 0xff), static_cast<char>(number >> 8)};
      for (size_t channel : {2 * n, 2 * n + 1}) {
        std::string first = message(channel, bytes);
        bool good = co_await socket_->send(first);
        if (!good) co_return;
      }
    }
    {
      Race race;
      race.add(receive());
      race.until(&all_ended_);
      for (size_t n = 0; n < ports_.size(); n++) connections_.start(serve(n));
      co_await race.first().wait();
    }
    socket_->close(1000, "");
  }

 private:
  struct Port {
    uint16_t number = 0;
    Channel<std::string> from_client{limits::kForwardQueueMax};
  };

  static std::string message(size_t channel, std::string_view bytes) {
    std::string out(1, static_cast<char>(channel));
    out += bytes;
    return out;
  }

  Task<void> receive() {
    for (;;) {
      auto received = co_await socket_->receive();
      if (!received) co_return;
      if (received->size() < 2) continue;
      size_t channel = static_cast<unsigned char>((*received)[0]);
      if (channel % 2 != 0 || channel / 2 >= ports_.size()) continue;
      std::string bytes = received->substr(1);
      // As above: a pod that does not read holds back its own client only.
      co_await ports_[channel / 2]->from_client.send(std::move(bytes));
    }
  }

  Task<void> serve(size_t n) {
    Port* port = ports_[n].get();
    auto opened = co_await node_->port_forward(pod_, port->number);
    if (!opened.ok()) {
      std::string text = cat("error forwarding port ", port->number, " to pod ", pod_.name, ", uid : ", opened.error().message());
      std::string failure = message(2 * n + 1, text);
      co_await socket_->send(failure);
    } else {
      std::unique_ptr<DuplexStream> stream = std::move(*opened);
      TaskGroup writer;
      writer.start(copy_to_pod(&port->from_client, stream.get()));
      for (;;) {
        auto bytes = co_await stream->read();
        if (!bytes) break;
        std::string data = message(2 * n, *bytes);
        bool good = co_await socket_->send(data);
        if (!good) break;
      }
    }
    port->from_client.close();
    if (--open_ == 0) all_ended_.set();
  }

  std::unique_ptr<WebSocket> socket_;
  NodeStreams* node_;
  ObjectKey pod_;
  size_t open_;  // connections that have not ended
  std::vector<std::unique_ptr<Port>> ports_;
  Event all_ended_;
  TaskGroup connections_;
};

// `ports` of PodPortForwardOptions: numbers, also several in one value.
Result<std::vector<uint16_t>> read_ports(const std::vector<std::string>& values) {
  std::vector<uint16_t> ports;
  for (const std::string& value : values) {
    for (std::string_view word : split(value, ',')) {
      auto port = parse_uint64(word);
      if (!port || *port > 65535) {
        return api_bad_request(cat("cannot convert to []int32: strconv.ParseUint: parsing ", go_quote(word), port ? ": value out of range" : ": invalid syntax"));
      }
      if (*port == 0) return api_bad_request(cat("port ", go_quote(word), " must be > 0"));
      ports.push_back(static_cast<uint16_t>(*port));
    }
  }
  if (ports.empty()) return api_bad_request("query parameter \"port\" is required");
  if (ports.size() > kChannelPortsMax) return api_bad_request(cat("at most ", kChannelPortsMax, " ports can be forwarded by one request"));
  return ports;
}

}  // namespace

Task<void> serve_port_forward(StreamAsk ask, NodeStreams* node, ObjectKey pod, std::vector<std::string> port_texts) {
  if (has_token(ask.http->header("upgrade"), "SPDY/3.1")) {
    std::vector<std::string> plain_protocols = {"portforward.k8s.io"};
    std::unique_ptr<WebSocket> bytes = co_await ask.responder->accept_websocket(plain_protocols);
    if (!bytes) co_return;
    Forwarder forwarder(std::move(bytes), node, std::move(pod));
    co_await forwarder.run();
    co_return;
  }
  // Which of the two is decided before the upgrade: the older has its ports in the URL, and what is wrong with them is an answer.
  if (!has_token(ask.http->header("sec-websocket-protocol"), kProtocol)) {
    auto ports = read_ports(port_texts);
    if (!ports.ok()) co_return ask.refuse(ports.error());
    std::vector<std::string> channel_protocols = {std::string(kChannelProtocol)};
    std::unique_ptr<WebSocket> channels = co_await ask.responder->accept_websocket(channel_protocols);
    if (!channels) co_return;
    ChannelForwarder forwarder(std::move(channels), node, std::move(pod), *ports);
    co_await forwarder.run();
    co_return;
  }
  std::vector<std::string> protocols = {std::string(kProtocol)};
  std::unique_ptr<WebSocket> socket = co_await ask.responder->accept_websocket(protocols);
  if (!socket) co_return;
  Forwarder forwarder(std::move(socket), node, std::move(pod));
  co_await forwarder.run();
}

}  // namespace bramble

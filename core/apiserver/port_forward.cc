#include "core/apiserver/port_forward.h"

#include <map>

#include "core/base/limits.h"
#include "core/http/spdy.h"
#include "core/loop/channel.h"

namespace bramble {

namespace {

constexpr std::string_view kProtocol = "SPDY/3.1+portforward.k8s.io";
constexpr uint32_t kRefusedStream = 3;

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
      writer.start(to_pod(c, stream.get()));
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

  static Task<void> to_pod(ConnectionRef c, DuplexStream* stream) {
    for (;;) {
      auto bytes = co_await c->from_client.receive();
      if (!bytes) break;
      bool good = co_await stream->write(std::move(*bytes));
      if (!good) co_return;
    }
    stream->close_write();
  }

  std::unique_ptr<WebSocket> socket_;
  NodeStreams* node_;
  ObjectKey pod_;
  SpdyCodec codec_;
  std::map<std::string, ConnectionRef> by_request_;
  std::map<uint32_t, ConnectionRef> by_stream_;
  TaskGroup connections_;
};

}  // namespace

Task<void> serve_port_forward(std::shared_ptr<Request> request, NodeStreams* node, ObjectKey pod) {
  std::vector<std::string> protocols = {std::string(kProtocol)};
  std::unique_ptr<WebSocket> socket = co_await request->responder->accept_websocket(protocols);
  if (!socket) co_return;
  Forwarder forwarder(std::move(socket), node, std::move(pod));
  co_await forwarder.run();
}

}  // namespace bramble

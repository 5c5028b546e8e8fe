#include "core/http/client_websocket.h"

#include <deque>
#include <optional>

#include "core/base/limits.h"
#include "core/base/random.h"

namespace bramble {

namespace {

class ClientWebSocket final : public WebSocket {
 public:
  // decoder: none for bytes as they are.
  ClientWebSocket(std::unique_ptr<Wire> wire, std::string early, std::string protocol, std::optional<WebSocketDecoder> decoder)
      : wire_(std::move(wire)), protocol_(std::move(protocol)), decoder_(std::move(decoder)) {
    take_bytes(early);
    tasks_.start(write());
  }
  ~ClientWebSocket() override { close(kWebSocketNormal, ""); }

  const std::string& protocol() const override { return protocol_; }

  Task<std::optional<std::string>> receive() override {
    static constexpr size_t kChunk = limits::kReceiveChunkBytes;
    while (messages_.empty() && !closed_) {
      std::string bytes(kChunk, '\0');
      Wire::Got got = wire_->try_read(bytes.data(), bytes.size());
      if (got.kind == Wire::Got::kBytes) {
        take_bytes(std::string_view(bytes.data(), got.bytes));
      } else if (got.kind == Wire::Got::kWait) {
        bytes = std::string();
        co_await wire_->readable();
      } else {
        closed_ = true;
      }
    }
    if (messages_.empty()) co_return std::nullopt;
    std::optional<std::string> out(std::move(messages_.front()));
    messages_.pop_front();
    co_return out;
  }

  Task<bool> send(std::string message) override {
    if (closed_ || close_sent_) co_return false;
    if (decoder_) {
      push(WebSocketOpcode::kBinary, message);
      message = std::string();
    } else {
      queue_.append(std::move(message));
      wanted_.pulse();
    }
    while (!closed_ && queue_.bytes() >= limits::kSendAheadBytesMax) co_await written_.wait();
    co_return !closed_;
  }

  void close(int code, std::string reason) override {
    if (close_sent_ || closed_) return;
    close_sent_ = true;
    if (decoder_) push(WebSocketOpcode::kClose, websocket_close_payload(code, reason));
    wire_->try_flush(&queue_);
  }

 private:
  void push(WebSocketOpcode opcode, std::string_view payload) {
    uint32_t mask;
    RealRandom().fill(&mask, sizeof mask);
    queue_.append(websocket_masked_frame(opcode, payload, mask));
    wanted_.pulse();
  }

  void take_bytes(std::string_view bytes) {
    if (!decoder_) {
      if (!bytes.empty()) messages_.emplace_back(bytes);
      return;
    }
    std::function<bool(WebSocketEvent)> take = [this](WebSocketEvent e) {
      if (e.kind == WebSocketOpcode::kPing) {
        push(WebSocketOpcode::kPong, e.data);
      } else if (e.kind == WebSocketOpcode::kClose) {
        close(kWebSocketNormal, "");
        closed_ = true;
        return false;
      } else if (e.kind != WebSocketOpcode::kPong) {
        messages_.push_back(std::move(e.data));
      }
      return true;
    };
    int error = decoder_->feed(bytes, take);
    if (error) {
      close(error, "");
      closed_ = true;
    }
  }

  Task<void> write() {
    for (;;) {
      while (queue_.empty()) co_await wanted_.wait();
      Status sent = co_await wire_->flush(&queue_);
      if (!sent.ok()) closed_ = true;
      written_.pulse();
      if (closed_) co_return;
    }
  }

  std::unique_ptr<Wire> wire_;
  std::string protocol_;
  std::optional<WebSocketDecoder> decoder_;
  SendQueue queue_;
  std::deque<std::string> messages_;
  bool closed_ = false, close_sent_ = false;
  Event wanted_, written_;
  TaskGroup tasks_;
};

}  // namespace

std::unique_ptr<WebSocket> make_client_websocket(std::unique_ptr<Wire> wire, std::string early, std::string protocol) {
  return std::make_unique<ClientWebSocket>(std::move(wire), std::move(early), std::move(protocol), WebSocketDecoder(false, limits::kWebSocketMessageBytesMax));
}

std::unique_ptr<WebSocket> make_client_bytes(std::unique_ptr<Wire> wire, std::string early) {
  return std::make_unique<ClientWebSocket>(std::move(wire), std::move(early), "", std::nullopt);
}

}  // namespace bramble

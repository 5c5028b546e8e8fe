// WebSocket framing (RFC 6455 section 5) without sockets: bytes in, messages out; and frames to send.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace bramble {

enum class WebSocketOpcode : uint8_t { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

// Closing codes of section 7.4.1.
constexpr int kWebSocketNormal = 1000;
constexpr int kWebSocketGoingAway = 1001;
constexpr int kWebSocketProtocolError = 1002;
constexpr int kWebSocketInvalidPayload = 1007;
constexpr int kWebSocketTooBig = 1009;

struct WebSocketEvent {
  WebSocketOpcode kind = WebSocketOpcode::kBinary;  // kText and kBinary: a whole message; else the control frame
  std::string data;                                 // of kClose: the reason
  int close_code = 0;                               // of kClose; 1005 when the peer gave none
};

class WebSocketDecoder {
 public:
  // from_client: frames must be masked; else they must not be.
  WebSocketDecoder(bool from_client, size_t message_bytes_max)
      : from_client_(from_client), message_bytes_max_(message_bytes_max) {}

  // Gives each whole message and control frame to take, in order. 0, or the code to close with; nothing may follow
  // that. take answers false to stop (after a close frame).
  int feed(std::string_view bytes, const std::function<bool(WebSocketEvent)>& take);

 private:
  int finish_head();
  int finish_frame(const std::function<bool(WebSocketEvent)>& take, bool* stop);

  const bool from_client_;
  const size_t message_bytes_max_;
  unsigned char head_[14] = {};
  size_t head_have_ = 0, head_need_ = 2;
  uint64_t payload_left_ = 0, payload_at_ = 0;
  unsigned char mask_[4] = {};
  WebSocketOpcode opcode_ = WebSocketOpcode::kBinary;
  bool fin_ = false, masked_ = false, in_payload_ = false;
  std::optional<WebSocketOpcode> message_kind_;  // of the message whose fragments are being joined
  std::string message_, control_;
};

// A frame's first bytes; the payload follows as it is.
std::string websocket_frame_head(WebSocketOpcode opcode, size_t payload_bytes);
// A whole masked frame, as clients send them. mask: four random bytes.
std::string websocket_masked_frame(WebSocketOpcode opcode, std::string_view payload, uint32_t mask);
std::string websocket_close_payload(int code, std::string_view reason);
// Sec-WebSocket-Accept for a key (section 4.2.2).
std::string websocket_accept_value(std::string_view key);

}  // namespace bramble

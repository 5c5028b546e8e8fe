#include "core/http/websocket_frames.h"

#include <cstring>

#include "core/base/strings.h"
#include "core/crypto/hash.h"

namespace bramble {

namespace {

constexpr size_t kControlBytesMax = 125;  // section 5.5

bool is_control(WebSocketOpcode op) { return static_cast<int>(op) >= 8; }
bool is_known(WebSocketOpcode op) {
  int v = static_cast<int>(op);
  return v <= 2 || (v >= 8 && v <= 10);
}
bool valid_close_code(int code) {  // section 7.4
  return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
         (code >= 3000 && code <= 4999);
}

void unmask(std::string* to, std::string_view bytes, const unsigned char mask[4], uint64_t phase) {
  size_t at = to->size();
  to->append(bytes);
  for (size_t i = 0; i < bytes.size(); i++, at++) (*to)[at] = static_cast<char>((*to)[at] ^ mask[(phase + i) & 3]);
}

}  // namespace

int WebSocketDecoder::finish_head() {
  if (head_need_ == 2) {
    fin_ = head_[0] & 0x80;
    opcode_ = static_cast<WebSocketOpcode>(head_[0] & 0x0f);
    masked_ = head_[1] & 0x80;
    unsigned length = head_[1] & 0x7f;
    if ((head_[0] & 0x70) || !is_known(opcode_) || masked_ != from_client_) return kWebSocketProtocolError;
    if (is_control(opcode_) && (!fin_ || length > kControlBytesMax)) return kWebSocketProtocolError;
    if (!is_control(opcode_) && (opcode_ == WebSocketOpcode::kContinuation) != message_kind_.has_value())
      return kWebSocketProtocolError;
    head_need_ = 2 + (length == 126 ? 2u : length == 127 ? 8u : 0u) + (masked_ ? 4u : 0u);
    if (head_need_ > 2) return 0;
  }
  unsigned length = head_[1] & 0x7f;
  size_t at = 2, extra = length == 126 ? 2 : length == 127 ? 8 : 0;
  payload_left_ = extra ? 0 : length;
  for (size_t i = 0; i < extra; i++) payload_left_ = payload_left_ << 8 | head_[at++];
  if (masked_) std::memcpy(mask_, head_ + at, 4);
  if (payload_left_ > message_bytes_max_ || message_.size() + payload_left_ > message_bytes_max_)
    return kWebSocketTooBig;
  if (!is_control(opcode_) && opcode_ != WebSocketOpcode::kContinuation) message_kind_ = opcode_;
  payload_at_ = 0;
  in_payload_ = true;
  return 0;
}

int WebSocketDecoder::finish_frame(const std::function<bool(WebSocketEvent)>& take, bool* stop) {
  in_payload_ = false;
  head_have_ = 0;
  head_need_ = 2;
  WebSocketEvent event;
  if (is_control(opcode_)) {
    event.kind = opcode_;
    event.data = std::move(control_);
    control_.clear();
    if (opcode_ == WebSocketOpcode::kClose) {
      event.close_code = 1005;
      if (event.data.size() == 1) return kWebSocketProtocolError;
      if (event.data.size() >= 2) {
        event.close_code = static_cast<unsigned char>(event.data[0]) << 8 | static_cast<unsigned char>(event.data[1]);
        event.data.erase(0, 2);
        if (!valid_close_code(event.close_code)) return kWebSocketProtocolError;
        if (!valid_utf8(event.data)) return kWebSocketInvalidPayload;
      }
    }
  } else {
    if (!fin_) return 0;
    event.kind = *message_kind_;
    message_kind_.reset();
    event.data = std::move(message_);
    message_.clear();
    if (event.kind == WebSocketOpcode::kText && !valid_utf8(event.data)) return kWebSocketInvalidPayload;
  }
  *stop = !take(std::move(event));
  return 0;
}

int WebSocketDecoder::feed(std::string_view bytes, const std::function<bool(WebSocketEvent)>& take) {
  bool stop = false;
  while (!stop) {
    if (!in_payload_) {
      if (bytes.empty()) return 0;
      size_t n = head_need_ - head_have_ < bytes.size() ? head_need_ - head_have_ : bytes.size();
      std::memcpy(head_ + head_have_, bytes.data(), n);
      head_have_ += n;
      bytes.remove_prefix(n);
      if (head_have_ < head_need_) return 0;
      int error = finish_head();
      if (error) return error;
      continue;  // the head may have grown
    }
    if (payload_left_ > 0) {
      if (bytes.empty()) return 0;
      size_t n = payload_left_ < bytes.size() ? static_cast<size_t>(payload_left_) : bytes.size();
      std::string* to = is_control(opcode_) ? &control_ : &message_;
      if (masked_)
        unmask(to, bytes.substr(0, n), mask_, payload_at_);
      else
        to->append(bytes.substr(0, n));
      payload_at_ += n;
      payload_left_ -= n;
      bytes.remove_prefix(n);
    }
    if (payload_left_ == 0) {
      int error = finish_frame(take, &stop);
      if (error) return error;
    }
  }
  return 0;
}

static std::string frame_head(WebSocketOpcode opcode, size_t payload_bytes, bool masked) {
  std::string out;
  out.push_back(static_cast<char>(0x80 | static_cast<int>(opcode)));
  int mask_bit = masked ? 0x80 : 0;
  if (payload_bytes < 126) {
    out.push_back(static_cast<char>(mask_bit | static_cast<int>(payload_bytes)));
  } else {
    size_t extra = payload_bytes < 65536 ? 2 : 8;
    out.push_back(static_cast<char>(mask_bit | (extra == 2 ? 126 : 127)));
    for (size_t i = extra; i-- > 0;)
      out.push_back(static_cast<char>(static_cast<uint64_t>(payload_bytes) >> (8 * i) & 255));
  }
  return out;
}

std::string websocket_frame_head(WebSocketOpcode opcode, size_t payload_bytes) {
  return frame_head(opcode, payload_bytes, false);
}

std::string websocket_masked_frame(WebSocketOpcode opcode, std::string_view payload, uint32_t mask) {
  std::string out = frame_head(opcode, payload.size(), true);
  unsigned char key[4];
  std::memcpy(key, &mask, 4);
  out.append(reinterpret_cast<char*>(key), 4);
  unmask(&out, payload, key, 0);
  return out;
}

std::string websocket_close_payload(int code, std::string_view reason) {
  std::string out;
  out.push_back(static_cast<char>(code >> 8));
  out.push_back(static_cast<char>(code & 255));
  if (reason.size() > kControlBytesMax - 2) {
    reason = reason.substr(0, kControlBytesMax - 2);
    while (!reason.empty() && !valid_utf8(reason)) reason.remove_suffix(1);
  }
  out.append(reason);
  return out;
}

std::string websocket_accept_value(std::string_view key) {
  return base64_encode(sha1(cat(key, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
}

}  // namespace bramble

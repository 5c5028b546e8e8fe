// SPDY/3.1 framing (draft-mbelshe-httpbis-spdy-00 and its 3.1 additions) as far as Kubernetes' streaming clients use it
// (port-forward inside a WebSocket, subprotocol SPDY/3.1+portforward.k8s.io): streams with headers, data, half-close, PING,
// GOAWAY. Flow control is not used: those clients neither send WINDOW_UPDATE nor wait for it.
// A SpdyCodec turns bytes into frames and frames into bytes; it waits for nothing and owns no connection. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace bramble {

struct SpdyFrame {
  enum class Type { kSynStream, kSynReply, kRstStream, kPing, kGoAway, kHeaders, kData, kOther };
  Type type = Type::kOther;
  uint32_t stream = 0;
  bool fin = false;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case; several values joined by NUL
  std::string data;                                          // kData
  uint32_t number = 0;                                       // kPing: id; kRstStream: status
  std::string_view header(std::string_view name) const;
};

class SpdyCodec {
 public:
  SpdyCodec();
  ~SpdyCodec();
  SpdyCodec(const SpdyCodec&) = delete;

  // Takes bytes as they come and gives the frames that are whole. kInvalidArgument for a broken peer (the codec is spent),
  // kTooLarge for a frame over limits::kSpdyFrameBytesMax.
  Result<std::vector<SpdyFrame>> feed(std::string_view bytes);

  // Frames to send. Headers share one compression state: send them in the order of these calls.
  std::string syn_stream(uint32_t stream, const std::vector<std::pair<std::string, std::string>>& headers, bool fin);
  std::string syn_reply(uint32_t stream, const std::vector<std::pair<std::string, std::string>>& headers, bool fin);
  static std::string data(uint32_t stream, std::string_view bytes, bool fin);
  static std::string rst_stream(uint32_t stream, uint32_t status);
  static std::string ping(uint32_t id);
  static std::string go_away(uint32_t last_stream);

 private:
  struct Zlib;
  Result<SpdyFrame> control(uint16_t type, uint8_t flags, std::string_view payload);
  Result<std::vector<std::pair<std::string, std::string>>> read_headers(std::string_view block);
  std::string write_headers(const std::vector<std::pair<std::string, std::string>>& headers);

  std::string pending_;
  std::unique_ptr<Zlib> zlib_;
};

}  // namespace bramble

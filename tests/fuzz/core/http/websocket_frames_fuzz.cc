// The decoder must not depend on how the bytes are cut, and never hand out more than its limit.
#include <cstdlib>
#include <string>
#include <vector>

#include "core/http/websocket_frames.h"

using bramble::WebSocketDecoder;
using bramble::WebSocketEvent;

static std::string decode(bool from_client, std::string_view bytes, size_t step) {
  WebSocketDecoder decoder(from_client, 1000);
  std::string seen;
  bool stopped = false;
  std::function<bool(WebSocketEvent)> take = [&](WebSocketEvent e) {
    if (e.data.size() > 1000) abort();
    seen += std::to_string(static_cast<int>(e.kind)) + ":" + e.data + ";" + std::to_string(e.close_code);
    stopped = e.kind == bramble::WebSocketOpcode::kClose;
    return !stopped;
  };
  for (size_t at = 0; at < bytes.size() && !stopped; at += step) {
    int error = decoder.feed(bytes.substr(at, step), take);
    if (error) return seen + "!" + std::to_string(error);
  }
  return seen;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  std::string whole = decode(data[0] & 1, bytes, bytes.size() + 1);
  if (decode(data[0] & 1, bytes, data[1] + 1u) != whole) abort();
  return 0;
}

#include "core/http/spdy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bramble::SpdyCodec codec;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto first = codec.feed(bytes.substr(0, size / 2));
  if (first.ok()) (void)codec.feed(bytes.substr(size / 2)).ok();
  return 0;
}

#include "tests/fuzz/core/http/session_driver.h"

// The first byte says whether the connection preface stands before the input, so that the fuzzer need not find it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string input;
  if (data[0] & 1) {
    std::string_view preface("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", 33);
    // One piece of 32 bytes and one of one byte.
    input.push_back(5);
    input.append(preface.substr(0, 32));
    input.push_back(0);
    input.append(preface.substr(32));
  }
  input.append(reinterpret_cast<const char*>(data) + 1, size - 1);
  bramble::SessionDriver driver(bramble::make_http2_session);
  driver.run(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  return 0;
}

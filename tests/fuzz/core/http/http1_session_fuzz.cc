#include "tests/fuzz/core/http/session_driver.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bramble::SessionDriver driver(bramble::make_http1_session);
  driver.run(data, size);
  return 0;
}

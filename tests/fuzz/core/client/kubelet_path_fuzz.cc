#include "core/client/kubelet_connect.h"

// A path and a query, parted by the first '?'.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  size_t mark = text.find('?');
  auto ask = bramble::parse_kubelet_path(text.substr(0, mark), mark == std::string_view::npos ? std::string_view() : text.substr(mark + 1));
  (void)ask;
  return 0;
}

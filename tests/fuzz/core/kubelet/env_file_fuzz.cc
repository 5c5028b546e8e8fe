// Files of variables, which containers write (fileKeyRef).
#include "core/kubelet/env_file.h"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  size_t cut = text.find('\n');
  std::string_view key = text.substr(0, cut), file = cut == text.npos ? std::string_view() : text.substr(cut + 1);
  auto value = bramble::env_file_value(file, key);
  if (value.ok() && *value && file.find(**value) == file.npos) __builtin_trap();  // a value stands in the file
  return 0;
}

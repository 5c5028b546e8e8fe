// Records of the kernel's log, one a line.
#include <string_view>

#include "core/base/strings.h"
#include "core/kubelet/oom_watch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bramble;
  OomReader reader;
  for (std::string_view record : split(std::string_view(reinterpret_cast<const char*>(data), size), '\n'))
    if (auto victim = reader.read(record); victim && victim->pid < 0) __builtin_trap();
  return 0;
}

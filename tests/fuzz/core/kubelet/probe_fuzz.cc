// What servers that are probed answer, and manifests of static pods.
#include <cstdlib>
#include <string>

#include "core/kubelet/probe_check.h"
#include "core/kubelet/static_pods.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bramble;
  if (size == 0) return 0;
  std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    health_status(text);
  } else {
    auto pod = static_pod(text, "/m/x.yaml", "n1", 0);
    if (pod.ok() && uid_of(*pod).empty()) abort();
  }
  return 0;
}

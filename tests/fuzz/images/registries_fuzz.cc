// registries.yaml: refused with a reason, or every registry has its endpoints.
#include <stddef.h>
#include <stdint.h>

#include "core/base/check.h"
#include "images/pull/registries.h"

using namespace bramble;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto registries = Registries::parse(std::string_view(reinterpret_cast<const char*>(data), size), "registries.yaml");
  if (!registries.ok()) {
    CHECK(registries.error().message().find("registries.yaml") == 0, registries.error().message());
    return 0;
  }
  for (const char* host : {"docker.io", "a.b", "localhost:5000"}) {
    for (bool use_default : {true, false}) {
      auto endpoints = registries->endpoints(host, use_default);
      if (!endpoints.ok()) continue;
      CHECK(!endpoints->empty(), host);
      for (const RegistryEndpoint& e : *endpoints) {
        CHECK(!e.base.host.empty() && !e.base.path.ends_with("/"), e.base.text());
        std::string changed = e.repository("library/nginx");
      }
    }
  }
  return 0;
}

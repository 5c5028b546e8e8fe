// Whatever reads as YAML is written as YAML that reads as the same value.
#include <cstdlib>

#include "core/json/yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bramble;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)parse_yaml_stream(text);
  auto d = parse_yaml(text);
  if (!d.ok()) return 0;
  auto again = parse_yaml(to_yaml(d->root()));
  // JSON may repeat a key, YAML may not.
  if (!again.ok() && again.error().message().find("already set in map") != std::string::npos) return 0;
  if (!again.ok() || !equal(again->root(), d->root())) std::abort();
  return 0;
}

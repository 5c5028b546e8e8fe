// Whatever parses prints as JSON that parses and prints the same.
#include <cstdlib>

#include "core/json/builder.h"
#include "core/json/yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bramble;
  auto d = Document::parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!d.ok()) return 0;
  auto again = Document::parse(d->root().dump());
  if (!again.ok() || again->root().dump() != d->root().dump()) std::abort();
  Builder b(d->root());
  if (b.dump() != d->root().dump()) std::abort();
  return 0;
}

// Whatever parses prints as JSON that parses and prints the same, also as the watch cache keeps it.
#include <cstdlib>

#include "core/json/builder.h"
#include "core/json/stored.h"
#include "core/json/yaml.h"

using namespace bramble;

static void expect(bool holds) {
  if (!holds) std::abort();
}

static void keep_as_the_cache(const Document& d, Buffer bytes) {
  auto kept = parse_stored(std::move(bytes));
  expect(kept.ok());
  const bool doubled = !equal(d.root(), d.root());  // of two members of one name the first is found
  expect(doubled || (equal(kept->root(), d.root()) && equal(d.root(), kept->root())));
  expect(Document::of(kept->root()).root().dump() == d.root().dump());
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto d = Document::parse(text);
  if (!d.ok()) return 0;
  const std::string dump = d->root().dump();
  auto again = Document::parse(dump);
  expect(again.ok() && again->root().dump() == dump);
  Builder b(d->root());
  expect(b.dump() == dump);
  keep_as_the_cache(*d, make_buffer(std::string(text)));
  keep_as_the_cache(*d, make_buffer(dump));
  return 0;
}

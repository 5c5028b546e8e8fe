// A quantity's canonical text is its own canonical text and has the same value.
#include "core/schema/quantity.h"

#include <cstdlib>

#include "core/schema/go_time.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bramble;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)normal_time(text);
  (void)normal_micro_time(text);
  if (auto d = normal_duration(text); d.ok() && *normal_duration(*d) != *d) std::abort();
  auto q = Quantity::parse(text);
  auto canonical = Quantity::canonical(text);
  if (q.ok() != canonical.ok()) std::abort();
  if (!q.ok()) return 0;
  auto again = Quantity::parse(*canonical);
  if (!again.ok() || *again != *q) std::abort();
  (void)(*q + *again).text();
  (void)(*q - *again).milli();
  return 0;
}

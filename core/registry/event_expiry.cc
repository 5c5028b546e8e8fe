// Events live for an hour after they were last written, as upstream's --event-ttl says.
#include <algorithm>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "core/registry/registry.h"

namespace bramble {

namespace {
int64_t last_written_us(Value event) {
  int64_t newest = 0;
  for (Value time : {event["metadata"]["creationTimestamp"], event["lastTimestamp"], event["eventTime"],
                     event["series"]["lastObservedTime"]}) {
    newest = std::max(newest, parse_rfc3339(time.str()).value_or(0));
  }
  return newest;
}
}  // namespace

Task<std::optional<int64_t>> Registry::expire_events() {
  const Kind* events = find_kind("", "v1", "events");
  if (events == nullptr) co_return std::nullopt;
  int64_t now = clock_.wall_us();
  std::optional<int64_t> next;
  std::vector<Document> due;
  cache_.view().range(registry_prefix(*events, ""), "", 0, [&](const EntryRef& entry) {
    const Document& event = entry->document;
    int64_t left = last_written_us(event.root()) + limits::kEventTtlUs - now;
    if (left <= 0) {
      due.push_back(event);
    } else {
      next = std::min(next.value_or(left), left);
    }
    return true;
  });
  for (const Document& event : due) {
    std::string key = registry_key(*events, namespace_of(event), name_of(event));
    auto held = co_await locks_.lock(key);
    Document current = present(key);
    if (!current || !current.same(event)) continue;
    Status erased = co_await erase(events, key, current);
    if (!erased.ok()) log_warning("registry: event ", key, ": ", erased.error().message());
  }
  co_return next;
}

Task<void> Registry::run_event_expiry() {
  for (;;) {
    std::optional<int64_t> next = co_await expire_events();
    if (!next) {
      event_written_.reset();
      co_await event_written_.wait();
      next = limits::kEventTtlUs;
    }
    int64_t wait_us = std::max(*next, limits::kEventSweepUs);
    co_await sleep_ms(wait_us / 1000);
  }
}

}  // namespace bramble

// Events live for an hour after they were last written, as upstream's --event-ttl says.
#include <algorithm>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "core/registry/registry.h"

namespace bramble {

Task<std::optional<int64_t>> Registry::expire_events() {
  int64_t now = clock_.wall_us();
  std::optional<int64_t> next;
  std::vector<EntryRef> due;
  for (const Kind& kind : all_kinds()) {
    if (!kind.last_written_us) continue;
    cache_.view().range(registry_prefix(kind, ""), "", 0, [&](const EntryRef& entry) {
      int64_t left = kind.last_written_us(entry->document.root()) + limits::kEventTtlUs - now;
      if (left <= 0) {
        due.push_back(entry);
      } else {
        next = std::min(next.value_or(left), left);
      }
      return true;
    });
  }
  // Volatile: no disk is waited for, and an Event that never reached the disk never will. After a crash they expire again.
  size_t erased_now = 0;
  for (const EntryRef& entry : due) {
    auto held = co_await locks_.lock(entry->key);
    Document current = present(entry->key);
    if (!current || !current.same(entry->document)) continue;
    Status erased = co_await erase(entry->key, current, Durability::kVolatile);
    if (!erased.ok()) log_warning("registry: event ", entry->key, ": ", erased.error().message());
    if (++erased_now % limits::kEventsPerTurn == 0) co_await sleep_ms(0);
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

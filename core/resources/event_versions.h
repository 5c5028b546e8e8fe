// Event lives once in the store, as core/v1 Event, and is shown as core/v1 or as events.k8s.io/v1: the same fields
// under other names. Pure; any thread.
#pragma once

#include "core/json/builder.h"

namespace bramble {

// An object of events.k8s.io/v1 as core/v1 and the other way round, with apiVersion; one that has that version already
// is copied.
Document event_as_core(Value event);
Document event_as_events(Value event);

}  // namespace bramble

// Stage 6, watch: changes of objects as a stream of JSON events. A watcher is a cursor into the cache's past, never a queue:
// one that falls behind gets 410 and is closed. Frames are shared between watchers.
// Specification: Kubernetes API concepts, "Efficient detection of changes", "Watch bookmarks", "Streaming lists".
#pragma once

#include "core/apiserver/reads.h"
#include "core/apiserver/respond.h"
#include "core/registry/registry.h"

namespace bramble {

// Serves one watch until its time is over, the client goes, or it falls behind. When it asked for bookmarks one goes
// out every bookmark_ms.
Task<void> serve_watch(std::shared_ptr<Request> request, Registry* registry, int64_t bookmark_ms);

}  // namespace bramble

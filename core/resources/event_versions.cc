#include "core/resources/event_versions.h"

#include "core/resources/kind.h"

namespace bramble {
namespace {

struct Name {
  const char *core, *events;
};
constexpr Name kNames[] = {{"involvedObject", "regarding"},
                           {"message", "note"},
                           {"reportingComponent", "reportingController"},
                           {"source", "deprecatedSource"},
                           {"count", "deprecatedCount"},
                           {"firstTimestamp", "deprecatedFirstTimestamp"},
                           {"lastTimestamp", "deprecatedLastTimestamp"}};

// Renames, then brings the fields to the order and the empty values of the target's type.
Document convert(Value event, std::string_view group, std::string_view api_version, bool to_core) {
  if (event["apiVersion"].str() == api_version) return Document::of(event);
  Builder b(event);
  for (const Name& n : kNames) {
    const char* from = to_core ? n.events : n.core;
    const char* to = to_core ? n.core : n.events;
    const Value v = event[from];
    if (v.exists() && !v.is_null()) b.root().set(to, v);
    b.root().remove(from);
  }
  b.root().set("apiVersion", api_version);
  b.root().set("kind", "Event");
  const Kind* kind = find_kind(group, "v1", "events");
  CHECK(kind && kind->type, group);
  const Document renamed = b.finish();
  auto canonical = canonicalize(*kind->type, renamed.root(), nullptr);
  return canonical.ok() ? canonical->finish() : renamed;
}

}  // namespace

Document event_as_core(Value event) { return convert(event, "", "v1", true); }
Document event_as_events(Value event) { return convert(event, "events.k8s.io", "events.k8s.io/v1", false); }

}  // namespace bramble

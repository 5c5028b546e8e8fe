// Deletion: preconditions, grace, finalizers and propagation, in upstream's order
// (k8s.io/apiserver/pkg/registry/rest/delete.go, generic/registry/store.go).
#include <algorithm>

#include "core/base/limits.h"
#include "core/registry/api_status.h"
#include "core/registry/object_meta.h"
#include "core/registry/registry.h"

namespace bramble {

namespace {

constexpr std::string_view kOrphan = "orphan", kForeground = "foregroundDeletion";

bool has_finalizer(Value object, std::string_view name) {
  for (Value f : object["metadata"]["finalizers"].items()) {
    if (f.str() == name) return true;
  }
  return false;
}

bool should_orphan(const DeleteRequest& request, Value object) {
  if (!request.kind->collected) return false;
  if (request.orphan_dependents) return *request.orphan_dependents;
  if (!request.propagation.empty()) return request.propagation == "Orphan";
  if (has_finalizer(object, kOrphan)) return true;
  if (has_finalizer(object, kForeground)) return false;
  return request.orphans_by_default.value_or(request.kind->orphans_by_default);
}

bool should_wait_for_dependents(const DeleteRequest& request, Value object) {
  if (!request.kind->collected || request.orphan_dependents) return false;
  if (!request.propagation.empty()) return request.propagation == "Foreground";
  return has_finalizer(object, kForeground) && !has_finalizer(object, kOrphan);
}

// Writes the finalizers that the propagation asks for; whether they changed.
bool set_propagation(const DeleteRequest& request, Mut object, Value old) {
  std::vector<std::string> next;
  for (Value f : old["metadata"]["finalizers"].items()) {
    if (f.str() != kOrphan && f.str() != kForeground) next.push_back(f.text());
  }
  if (should_orphan(request, old)) next.emplace_back(kOrphan);
  if (should_wait_for_dependents(request, old)) next.emplace_back(kForeground);
  bool same = next.size() == old["metadata"]["finalizers"].size();
  for (size_t i = 0; same && i < next.size(); ++i) same = has_finalizer(old, next[i]);
  if (same) return false;
  Mut m = object.object("metadata");
  m.remove("finalizers");
  for (const std::string& f : next) m.array("finalizers").append(f);
  return true;
}

// Pods: how long the node may take (podStrategy.CheckGracefulDelete).
int64_t pod_grace_s(const DeleteRequest& request, Value pod) {
  int64_t grace = request.grace_period_s ? *request.grace_period_s : pod["spec"]["terminationGracePeriodSeconds"].integer();
  std::string_view phase = pod["status"]["phase"].str();
  if (pod["spec"]["nodeName"].str().empty() || phase == "Failed" || phase == "Succeeded") grace = 0;
  return grace < 0 ? 1 : grace;
}

void bump_generation(Mut m) {
  int64_t generation = m["generation"].integer();
  if (generation > 0) m.set("generation", generation + 1);
}

// What a deletion does to the object before (or instead of) removing it.
struct Outcome {
  Builder object;
  bool changed = false;
  bool remove = false;  // take it away after the change is written
};

Outcome decide_graceful(const DeleteRequest& request, Value old, Clock& clock) {
  Outcome out{Builder(old)};
  Mut m = out.object.root().object("metadata");
  if (m.has("deletionTimestamp")) {
    int64_t before = m["deletionGracePeriodSeconds"].integer();
    bool shorter = request.grace_period_s && m.has("deletionGracePeriodSeconds") &&
                   (*request.grace_period_s < 0 ? 1 : *request.grace_period_s) < before;
    if (!shorter) {
      // Between the two writes of an immediate deletion the process may have stopped.
      out.remove = before == 0 && m.has("deletionGracePeriodSeconds") && m["finalizers"].size() == 0;
      return out;
    }
    int64_t grace = *request.grace_period_s < 0 ? 1 : *request.grace_period_s;
    int64_t ends_us = parse_rfc3339(m["deletionTimestamp"].str()).value_or(clock.wall_us());
    m.set("deletionTimestamp", format_rfc3339(ends_us + (grace - before) * 1000000));
    m.set("deletionGracePeriodSeconds", grace);
    out.changed = true;
    out.remove = grace == 0 && m["finalizers"].size() == 0;
    return out;
  }
  int64_t grace = pod_grace_s(request, old);
  m.set("deletionTimestamp", format_rfc3339(clock.wall_us() + grace * 1000000));
  m.set("deletionGracePeriodSeconds", grace);
  bump_generation(m);
  set_propagation(request, out.object.root(), old);
  out.changed = true;
  out.remove = grace == 0 && m["finalizers"].size() == 0;
  return out;
}

Outcome decide_plain(const DeleteRequest& request, Value old, Clock& clock) {
  Outcome out{Builder(old)};
  Mut m = out.object.root().object("metadata");
  out.changed = set_propagation(request, out.object.root(), old);
  if (m["finalizers"].size() == 0) {
    out.changed = false;  // it goes at once
    out.remove = true;
    return out;
  }
  if (!m.has("deletionTimestamp")) {
    bump_generation(m);
    m.set("deletionTimestamp", clock.now_rfc3339());
    out.changed = true;
  }
  if (m["deletionGracePeriodSeconds"].integer(-1) != 0) {
    m.set("deletionGracePeriodSeconds", 0);
    out.changed = true;
  }
  return out;
}

// A Namespace ends in two steps: Terminating now; gone when its content is, and spec.finalizers with it.
Outcome decide_namespace(const DeleteRequest& request, Value old, Clock& clock) {
  Outcome out{Builder(old)};
  Mut root = out.object.root();
  Mut m = root.object("metadata");
  if (!m.has("deletionTimestamp")) {
    m.set("deletionTimestamp", clock.now_rfc3339());
    root.object("status").set("phase", "Terminating");
    set_propagation(request, root, old);
    out.changed = true;
  }
  out.remove = root["spec"]["finalizers"].size() == 0 && m["finalizers"].size() == 0;
  return out;
}

Outcome decide(const DeleteRequest& request, Value old, Clock& clock) {
  if (request.kind->graceful_delete) return decide_graceful(request, old, clock);
  if (request.kind->has_spec_finalizers) return decide_namespace(request, old, clock);
  return decide_plain(request, old, clock);
}

Status check_preconditions(const DeleteRequest& request, Value old) {
  const Kind& kind = *request.kind;
  auto refuse = [&](std::string_view what, const std::string& wanted, std::string_view hint) {
    return api_conflict({kind.group, kind.resource}, request.name,
                        cat("the ", what, " in the precondition (", wanted, ") does not match the ", what, " in record (",
                            meta(old, what == "UID" ? "uid" : "resourceVersion"), "). The object might have been ", hint));
  };
  if (request.uid && *request.uid != meta(old, "uid")) return refuse("UID", *request.uid, "deleted and then recreated");
  if (request.resource_version && *request.resource_version != meta(old, "resourceVersion")) {
    return refuse("ResourceVersion", *request.resource_version, "modified");
  }
  return ok();
}


}  // namespace

Task<Result<Deleted>> Registry::remove(DeleteRequest request) {
  const Kind& kind = *request.kind;
  std::string key = registry_key(kind, request.ns, request.name);
  auto held = co_await locks_.lock(key);
  for (int attempt = 0; attempt < limits::kWriteAttempts; ++attempt) {
    Document current = present(key);
    if (!current) co_return api_not_found({kind.group, kind.resource}, request.name);
    Status precondition = check_preconditions(request, current.root());
    CO_TRY(precondition);
    if (request.admit) {
      Status admitted = request.admit(current.root());
      CO_TRY(admitted);
    }
    bool unsaid = request.propagation.empty() && !request.orphan_dependents;
    if (unsaid && !kind.delete_warning.empty() && request.warnings && attempt == 0) request.warnings->emplace_back(kind.delete_warning);
    Outcome outcome = decide(request, current.root(), clock_);
    Document last = outcome.changed ? outcome.object.snapshot() : current;
    bool show_status = outcome.remove && !kind.returns_deleted;
    if (request.dry_run) co_return Deleted{last, show_status};
    if (outcome.changed) {
      Document next = marked(outcome.object);
      uint64_t expected = parse_uint64(version_of(current)).value_or(0);
      Held nothing{ServicePools::Hold(services_), nullptr};
      auto stored = co_await put(request.kind, key, expected, current, next, std::move(nothing));
      if (!stored.ok() && stored.error().code() == Code::kConflict) continue;
      CO_TRY(stored);
      last = *stored;
    }
    if (!outcome.remove) co_return Deleted{last, false};
    auto erased = co_await erase(key, last, Durability::kDurable);
    if (!erased.ok() && erased.error().code() == Code::kConflict) continue;
    CO_TRY(erased);
    co_return Deleted{last, show_status};
  }
  co_return api_conflict({kind.group, kind.resource}, request.name, kModifiedText);
}

}  // namespace bramble

// Registry: the rules that every object obeys between a request and the store: names and versions, optimistic
// concurrency, generations, finalizers, grace, propagation, allocation of addresses and ports. Not here: who may ask
// (core/apiserver), what a kind allows (core/resources).
//
// Owner's loop thread. What a call acknowledged is on disk (or, if volatile, in memory; see Kind::may_be_volatile). One write at a
// time per key. Errors carry the whole Kubernetes Status. Specification: Kubernetes API concepts, API conventions; the
// behaviour of k8s.io/apiserver/pkg/registry/{rest,generic/registry}.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/json/builder.h"
#include "core/loop/task.h"
#include "core/registry/cache.h"
#include "core/registry/key_locks.h"
#include "core/registry/service_pools.h"
#include "core/resources/kind.h"
#include "storage/store.h"

namespace bramble {

// "/registry/<group or core>/<resource>/[namespace/]name"; a list's prefix ends in '/'.
std::string registry_key(const Kind& kind, std::string_view ns, std::string_view name);
std::string registry_prefix(const Kind& kind, std::string_view ns);

// Refuses or completes an object before it is validated; `old` is absent on create. Runs on each attempt.
using AdmitFn = std::function<Status(Mut object, Value old)>;
// Refuses an object that is complete and valid by the rules of its kind.
using InspectFn = std::function<Status(Value object, Value old)>;

// What a write takes of something limited beside its own key, as a ResourceQuota: taken durably before the write, given back
// when dropped, unless the write was done. It belongs to the write (Store::put's `make`).
class Charge {
 public:
  virtual ~Charge() = default;
  virtual void made_at(uint64_t revision) = 0;  // this will be the write's revision, if it succeeds
};
// only_look: takes nothing, says whether it could. The charge may be null.
using ChargeFn = std::function<Task<Result<std::shared_ptr<Charge>>>(Document object, Document old, bool only_look)>;

struct WriteRequest {
  const Kind* kind = nullptr;   // as which the object is stored
  const Kind* shown = nullptr;  // of the request, where that is another one; its rules validate
  std::string ns, name;      // name empty on create
  bool dry_run = false;
  bool from_put = false;     // a whole object by PUT: its uid is a precondition; creates when missing if the kind allows it
  bool from_apply = false;   // creates when missing, whatever the kind
  std::string part;          // of UpdatePart::kPart: a subresource with rules of its own (core/resources/subresource_rules.h)
  AdmitFn admit;             // may be empty
  InspectFn inspect;         // may be empty
  ChargeFn charge;           // may be empty
  std::vector<std::string>* warnings = nullptr;  // outlives the call; may be null
};

struct DeleteRequest {
  const Kind* kind = nullptr;
  std::string ns, name;
  bool dry_run = false;
  std::optional<int64_t> grace_period_s;
  std::optional<bool> orphan_dependents;
  std::string propagation;                      // "" Background Foreground Orphan
  std::optional<bool> orphans_by_default;       // of the request's kind, where that is not the stored one
  std::optional<std::string> uid, resource_version;  // preconditions
  std::function<Status(Value object)> admit;
  std::vector<std::string>* warnings = nullptr;
};

// What changed of an object is decided by the part that an update may touch.
enum class UpdatePart { kMain, kStatus, kFinalize, kBinding, kRollback, kPart };  // kPart: what WriteRequest::part names

// Makes the new object of the current one (absent when it is to be created by a PUT), canonical and with its defaults.
// Called again if a write is lost to another server.
using ChangeFn = std::function<Result<Builder>(Value current)>;

struct Written {
  Document object;
  bool created = false;
};

struct Deleted {
  Document object;         // as it was last, with deletionTimestamp where that applies
  bool show_status = false;  // answer with a Status rather than the object
};

class Registry {
 public:
  struct Options {
    std::string service_cidr;  // what Services take their addresses and ports from
    std::string dns_address;
    int node_port_first = 0, node_port_last = 0;
    Quarantine* quarantine = nullptr;
  };
  Registry(Store& store, WatchCache& cache, Clock& clock, Random& random, Options options);

  WatchCache& cache() { return cache_; }
  Clock& clock() { return clock_; }
  Random& random() { return random_; }
  const Options& options() const { return options_; }

  // The present object, or empty.
  Document get(const Kind& kind, std::string_view ns, std::string_view name) const;

  // The object is canonical and has its defaults; admission, system fields, allocation, validation happen here. A
  // dry-run gives the object as it would be, without a resourceVersion.
  Task<Result<Document>> create(WriteRequest request, Builder object);
  Task<Result<Written>> update(WriteRequest request, UpdatePart part, ChangeFn change);
  Task<Result<Deleted>> remove(DeleteRequest request);

  // pods/binding: sets spec.nodeName once, with the Binding's annotations, those of its labels that the
  // pod has not, and the PodScheduled condition.
  Task<Status> bind(WriteRequest request, Document binding);

  // pods/eviction: a delete that the pod's PodDisruptionBudget may refuse, as pkg/registry/core/pod/storage/eviction.go does it:
  // 429 with the cause DisruptionBudget. What the budget grants is on disk before the pod is touched; a crash between the two
  // costs the budget one disruption until its controller has waited for the pod in vain. Nobody is asked for `admit`.
  Task<Status> evict(DeleteRequest pod);

  // Takes what the cache holds into the allocators and follows its changes; once, after the cache is loaded and before the
  // first write.
  void adopt();
  // Deletes Events older than their time to live; gives the microseconds until the next one is due, nothing if none.
  Task<std::optional<int64_t>> expire_events();
  // Does so whenever one is due; for ever. Its owner starts it in a TaskGroup.
  Task<void> run_event_expiry();

 private:
  // eviction.cc
  std::vector<Document> budgets_of(Value pod) const;
  Task<Status> spend(Document budget, std::string pod_name, bool dry_run);
  Task<Status> mark_and_remove(DeleteRequest pod);

  // What a write holds until it is done.
  struct Held {
    ServicePools::Hold pools;
    std::shared_ptr<Charge> charge;
  };
  Task<Result<Document>> put(const Kind* kind, std::string key, uint64_t expected, Document before, Document next, Held held);
  Task<Status> erase(std::string key, Document current, Durability durability);
  Document present(std::string_view key) const;
  // The object with a mark as its resourceVersion, which put() exchanges when the revision is known.
  Document marked(const Builder& object);
  Result<Builder> prepare_update(const WriteRequest& request, UpdatePart part, const ChangeFn& change,
                                 const Document& current, ServicePools::Hold& hold);
  Status validate_new(const WriteRequest& request, Value object);
  Status validate_changed(const WriteRequest& request, UpdatePart part, Value object, Value old);

  Store& store_;
  WatchCache& cache_;
  Clock& clock_;
  Random& random_;
  Options options_;
  std::string version_mark_;
  KeyLocks locks_;
  Event event_written_;
  ServicePools services_;
  std::vector<std::unique_ptr<WatchCache::Observation>> observations_;
};

}  // namespace bramble

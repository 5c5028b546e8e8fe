// Client: how every part that is not the apiserver reads and writes the cluster: controllers, scheduler, kubelet, proxy, DNS.
// In one process it enters the apiserver's pipeline at admission with the part's identity; on an agent it is HTTPS.
// All on the owner's loop thread. Snapshot and Change come from the watch cache (or, on an agent, from informers), so reads
// cost nothing and never wait.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/json/value.h"
#include "core/loop/task.h"

namespace bramble {

// A served resource by group, version and plural name: {"apps", "v1", "replicasets"}. Core has the empty group.
struct ResourceId {
  std::string group;
  std::string version;
  std::string resource;
  bool operator==(const ResourceId&) const = default;
  auto operator<=>(const ResourceId&) const = default;
};

struct ObjectKey {
  std::string ns;  // empty for cluster-scoped
  std::string name;
  bool operator==(const ObjectKey&) const = default;
  auto operator<=>(const ObjectKey&) const = default;
  std::string text() const { return ns.empty() ? name : cat(ns, "/", name); }
};

struct Identity {
  std::string user;
  std::string uid;
  std::vector<std::string> groups;
  std::vector<std::pair<std::string, std::vector<std::string>>> extra;
};

struct ListOptions {
  std::string label_selector;
  std::string field_selector;
};

struct WriteOptions {
  std::string subresource;  // "", "status", "scale", "binding", ...
  bool dry_run = false;
};

struct DeleteOptions {
  std::optional<int64_t> grace_period_s;
  std::string propagation;       // "", "Background", "Foreground", "Orphan"
  std::string uid;               // preconditions; empty: none
  std::string resource_version;
};

enum class PatchType { kJson, kMerge, kStrategic, kApply };

// The present state of served resources, as of one revision. Objects are in canonical form of the version asked for.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual Document get(const ResourceId& resource, std::string_view ns, std::string_view name) const = 0;  // empty: none
  // ns empty: all namespaces. Order by namespace, then name. Return false from fn to stop.
  virtual void each(const ResourceId& resource, std::string_view ns, const std::function<bool(const Document&)>& fn) const = 0;
  // Of an object that is not shown: it may be lost rather than deleted, because its bytes cannot be read or the store was
  // repaired or restored a short while ago (DESIGN section 4). Nobody deletes anything for its absence then. Once the doubt is
  // over, core/app has everybody look again. An empty name: any object of the resource.
  virtual bool may_be_lost(const ResourceId&, std::string_view, std::string_view) const { return false; }
};

struct Change {
  ResourceId resource;
  Document before;  // empty: created
  Document after;   // empty: deleted
};

// Dropping it ends the calls.
class Subscription {
 public:
  virtual ~Subscription() = default;
};

class Client {
 public:
  virtual ~Client() = default;
  virtual const Snapshot& snapshot() const = 0;
  // Calls fn for each change of these resources, in revision order, after the snapshot shows it. Existing objects are not
  // replayed: read them from snapshot() after subscribing.
  virtual std::unique_ptr<Subscription> subscribe(std::vector<ResourceId> resources, std::function<void(const Change&)> fn) = 0;

  // Errors carry the Kubernetes Status (Error::status_json). Results are the objects as stored.
  virtual Task<Result<Document>> create(ResourceId resource, std::string ns, Document object, WriteOptions options) = 0;
  virtual Task<Result<Document>> update(ResourceId resource, ObjectKey key, Document object, WriteOptions options) = 0;
  virtual Task<Result<Document>> patch(ResourceId resource, ObjectKey key, PatchType type, Document patch, WriteOptions options) = 0;
  virtual Task<Result<Document>> remove(ResourceId resource, ObjectKey key, DeleteOptions options) = 0;

  // Without options. No default arguments: GCC 12 frees a defaulted object twice when it stands inside a co_await.
  Task<Result<Document>> create(ResourceId resource, std::string ns, Document object) {
    return create(std::move(resource), std::move(ns), std::move(object), WriteOptions());
  }
  Task<Result<Document>> update(ResourceId resource, ObjectKey key, Document object) {
    return update(std::move(resource), std::move(key), std::move(object), WriteOptions());
  }
  Task<Result<Document>> patch(ResourceId resource, ObjectKey key, PatchType type, Document patch_document) {
    return patch(std::move(resource), std::move(key), type, std::move(patch_document), WriteOptions());
  }
  Task<Result<Document>> remove(ResourceId resource, ObjectKey key) { return remove(std::move(resource), std::move(key), DeleteOptions()); }
};

// The resources that the parts use, by name.
namespace resource_ids {
inline const ResourceId kPods{"", "v1", "pods"};
inline const ResourceId kNodes{"", "v1", "nodes"};
inline const ResourceId kNamespaces{"", "v1", "namespaces"};
inline const ResourceId kServices{"", "v1", "services"};
inline const ResourceId kEndpoints{"", "v1", "endpoints"};
inline const ResourceId kConfigMaps{"", "v1", "configmaps"};
inline const ResourceId kSecrets{"", "v1", "secrets"};
inline const ResourceId kServiceAccounts{"", "v1", "serviceaccounts"};
inline const ResourceId kEvents{"", "v1", "events"};
inline const ResourceId kLeases{"coordination.k8s.io", "v1", "leases"};
inline const ResourceId kReplicaSets{"apps", "v1", "replicasets"};
inline const ResourceId kDeployments{"apps", "v1", "deployments"};
inline const ResourceId kEndpointSlices{"discovery.k8s.io", "v1", "endpointslices"};
inline const ResourceId kPersistentVolumeClaims{"", "v1", "persistentvolumeclaims"};
inline const ResourceId kPriorityClasses{"scheduling.k8s.io", "v1", "priorityclasses"};
inline const ResourceId kRuntimeClasses{"node.k8s.io", "v1", "runtimeclasses"};
}  // namespace resource_ids

}  // namespace bramble

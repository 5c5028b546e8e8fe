// RemoteApi: the API of a server elsewhere, as one identity: what its clients read (kept by informers, never waited for) and
// write. RemoteClient is the Client that parts hold; several share one RemoteApi, and so one copy of what they read.
//   whole     a resource, or those of it that a field selector takes, is followed from the first time that somebody reads it or
//             subscribes
//   by object a resource of which the identity may follow single objects alone (the Node authorizer): each from when it is asked
//             for, or from when a pod names it, until no pod does
//   by get    a resource that the identity may only get: fetched when it is asked for and what is there is not fresh
// What is not known yet may be there (Snapshot::may_be_lost). When it comes to be known, or is no longer in doubt, subscribers
// get a Change of the resource without objects.
// Own writes are seen in the snapshot once they are answered. Owner's loop thread. Nothing survives a crash.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "core/base/clock.h"
#include "core/client/informer.h"
#include "core/client/pod_references.h"

namespace bramble {

class RemoteApi final : public InformerSink {
 public:
  struct Scope {
    enum class How { kWhole, kByObject, kByGet } how = How::kWhole;
    std::string ns, field_selector;
  };
  struct Options {
    ApiTransport* api = nullptr;         // outlives it
    ApiTransport* heartbeats = nullptr;  // for leases and the status of nodes; null: api
    std::map<ResourceId, Scope> scopes;  // of those not named: whole
    bool follows_pods = false;           // what the pods in the snapshot name is followed
    std::string manager;                 // of fields that are applied
  };
  RemoteApi(Options options, Clock& clock, Random& random);
  ~RemoteApi() override;

  // Begins to follow a resource. Snapshot and subscribe() do it too.
  void follow(const ResourceId& resource);
  // Whether it is known which objects of the resource there are (an empty name), or whether there is this one. It may be in doubt
  // all the same, see DESIGN section 4.
  bool is_known(const ResourceId& resource, std::string_view ns, std::string_view name) const;
  // The same of all these.
  bool synced(const std::vector<ResourceId>& resources) const;
  // Waits for that, at most so long, or until an attempt to connect has failed.
  Task<bool> until_synced(std::vector<ResourceId> resources, int64_t ms);

  const Snapshot& snapshot() const { return snapshot_; }
  std::unique_ptr<Subscription> subscribe(std::vector<ResourceId> resources, std::function<void(const Change&)> fn);
  Task<Result<Document>> create(ResourceId resource, std::string ns, Document object, WriteOptions options);
  Task<Result<Document>> update(ResourceId resource, ObjectKey key, Document object, WriteOptions options);
  Task<Result<Document>> patch(ResourceId resource, ObjectKey key, PatchType type, Document patch, WriteOptions options);
  Task<Result<Document>> remove(ResourceId resource, ObjectKey key, DeleteOptions options);

 private:
  struct Subscriber;
  struct Entry {  // by get
    Document object;
    bool known = false, fetching = false;
    int64_t fetched_us = 0;
  };
  struct Kept {
    ResourceId resource;
    Scope scope;
    std::map<ObjectKey, Document> objects;
    std::map<ObjectKey, std::unique_ptr<Informer>> informers;  // whole: one, of an empty key
    std::map<ObjectKey, Entry> fetched;
    std::set<ObjectKey> written;  // by us, and not seen by an informer yet
  };
  class View final : public Snapshot {
   public:
    explicit View(const RemoteApi& api) : api_(api) {}
    Document get(const ResourceId& resource, std::string_view ns, std::string_view name) const override;
    void each(const ResourceId& resource, std::string_view ns, const std::function<bool(const Document&)>& fn) const override;
    bool may_be_lost(const ResourceId& resource, std::string_view ns, std::string_view name) const override;

   private:
    const RemoteApi& api_;
  };

  Kept& kept(const ResourceId& resource) const;
  void follow_object(Kept& kept, const ObjectKey& key) const;
  void follow_pods();
  void fetch_if_stale(Kept& kept, const ObjectKey& key) const;
  Task<void> fetch(ResourceId resource, ObjectKey key);
  void set(Kept& kept, const ObjectKey& key, Document object);
  void note_written(const ResourceId& resource, const Document& object);
  void tell(const Change& change);
  Task<Result<Document>> send(ResourceId resource, std::string subresource, HttpClientRequest request);
  void put(const WatchScope& scope, Document object) override;
  void remove(const WatchScope& scope, Document object) override;
  void listed(const WatchScope& scope, const std::set<ObjectKey>& there, uint64_t revision, bool doubt) override;

  Options options_;
  Clock& clock_;
  Random& random_;
  View snapshot_{*this};
  mutable std::map<ResourceId, Kept> kept_;
  std::vector<std::weak_ptr<Subscriber>> subscribers_;
  PodReferences references_;
  std::shared_ptr<Event> news_ = std::make_shared<Event>();
  mutable TaskGroup tasks_;
};

class RemoteClient final : public Client {
 public:
  explicit RemoteClient(RemoteApi& api) : RemoteClient(api, api) {}
  // services: whose copy of the Services is read, so that a node keeps one.
  RemoteClient(RemoteApi& api, RemoteApi& services) : api_(api), services_(services), snapshot_(api, services) {}
  const Snapshot& snapshot() const override { return snapshot_; }
  std::unique_ptr<Subscription> subscribe(std::vector<ResourceId> resources, std::function<void(const Change&)> fn) override {
    bool services_alone = resources.size() == 1 && resources[0] == resource_ids::kServices;
    return (services_alone ? services_ : api_).subscribe(std::move(resources), std::move(fn));
  }
  Task<Result<Document>> create(ResourceId resource, std::string ns, Document object, WriteOptions options) override {
    return api_.create(std::move(resource), std::move(ns), std::move(object), std::move(options));
  }
  Task<Result<Document>> update(ResourceId resource, ObjectKey key, Document object, WriteOptions options) override {
    return api_.update(std::move(resource), std::move(key), std::move(object), std::move(options));
  }
  Task<Result<Document>> patch(ResourceId resource, ObjectKey key, PatchType type, Document change, WriteOptions options) override {
    return api_.patch(std::move(resource), std::move(key), type, std::move(change), std::move(options));
  }
  Task<Result<Document>> remove(ResourceId resource, ObjectKey key, DeleteOptions options) override {
    return api_.remove(std::move(resource), std::move(key), std::move(options));
  }

 private:
  class View final : public Snapshot {
   public:
    View(const RemoteApi& api, const RemoteApi& services) : api_(api), services_(services) {}
    Document get(const ResourceId& resource, std::string_view ns, std::string_view name) const override { return of(resource).get(resource, ns, name); }
    void each(const ResourceId& resource, std::string_view ns, const std::function<bool(const Document&)>& fn) const override { of(resource).each(resource, ns, fn); }
    bool may_be_lost(const ResourceId& resource, std::string_view ns, std::string_view name) const override { return of(resource).may_be_lost(resource, ns, name); }

   private:
    const Snapshot& of(const ResourceId& resource) const { return (resource == resource_ids::kServices ? services_ : api_).snapshot(); }
    const RemoteApi& api_;
    const RemoteApi& services_;
  };

  RemoteApi& api_;
  RemoteApi& services_;
  View snapshot_;
};

}  // namespace bramble

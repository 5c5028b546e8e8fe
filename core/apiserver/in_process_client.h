// InProcessClient: the Client of the parts that live in the apiserver's process. It skips transport, authentication and
// authorization, nothing else: writes enter at admission with the part's identity, reads are the watch cache itself.
// With an authorizer (tests) writes are authorized too, which shows that a part does no more than its role allows.
// Owner's loop thread; must not outlive the ApiServer.
#pragma once

#include "core/apiserver/authz.h"
#include "core/apiserver/verbs.h"
#include "core/client/client.h"

namespace bramble {

class InProcessClient final : public Client {
 public:
  // authorize: whether its writes need its roles' permission.
  InProcessClient(Verbs& verbs, Identity identity, const Authorizer& reviewer, const TokenIssuer& tokens, bool authorize);

  const Snapshot& snapshot() const override { return snapshot_; }
  std::unique_ptr<Subscription> subscribe(std::vector<ResourceId> resources, std::function<void(const Change&)> fn) override;
  Task<Result<Document>> create(ResourceId resource, std::string ns, Document object, WriteOptions options) override {
    return create(std::move(resource), std::move(ns), std::move(object), std::move(options), nullptr);
  }
  Task<Result<Document>> update(ResourceId resource, ObjectKey key, Document object, WriteOptions options) override {
    return update(std::move(resource), std::move(key), std::move(object), std::move(options), nullptr);
  }
  Task<Result<Document>> patch(ResourceId resource, ObjectKey key, PatchType type, Document change, WriteOptions options) override {
    return patch(std::move(resource), std::move(key), type, std::move(change), std::move(options), nullptr);
  }
  // The same; what admission tells the audit log comes into *notes, which may be null.
  using Notes = std::shared_ptr<AuditAnnotations>;
  Task<Result<Document>> create(ResourceId resource, std::string ns, Document object, WriteOptions options, Notes notes);
  Task<Result<Document>> update(ResourceId resource, ObjectKey key, Document object, WriteOptions options, Notes notes);
  Task<Result<Document>> patch(ResourceId resource, ObjectKey key, PatchType type, Document patch, WriteOptions options, Notes notes);
  Task<Result<Document>> remove(ResourceId resource, ObjectKey key, DeleteOptions options) override;

 private:
  class CacheSnapshot final : public Snapshot {
   public:
    explicit CacheSnapshot(WatchCache& cache) : cache_(cache) {}
    Document get(const ResourceId& resource, std::string_view ns, std::string_view name) const override;
    void each(const ResourceId& resource, std::string_view ns, const std::function<bool(const Document&)>& fn) const override;
    bool may_be_lost(const ResourceId& resource, std::string_view ns, std::string_view name) const override;

   private:
    WatchCache& cache_;
  };
  Result<CallRef> call_of(std::string_view verb, const ResourceId& resource, const std::string& ns, const std::string& name,
                          const WriteOptions& options) const;

  Verbs& verbs_;
  Identity identity_;
  const Authorizer& reviewer_;
  const TokenIssuer& tokens_;
  const Authorizer* authorizer_;  // may be null
  CacheSnapshot snapshot_;
};

}  // namespace bramble

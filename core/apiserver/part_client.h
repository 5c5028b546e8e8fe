// PartClient: the Client that a part of this process gets: InProcessClient, and what is noted of its writes: counts under
// upstream's names (rest_client_*), and the audit log, which tells of them as if they had come over the network.
// Owner's loop thread; must not outlive the ApiServer.
#pragma once

#include <memory>

#include "core/apiserver/audit.h"
#include "core/apiserver/in_process_client.h"
#include "core/base/metrics.h"
#include "core/base/random.h"
#include "core/client/client.h"

namespace bramble {

// Writes of all parts: by method and code, and how long they took.
class PartCalls {
 public:
  explicit PartCalls(const Clock& clock);
  int64_t now_us() const { return clock_.monotonic_us(); }
  void done(std::string_view method, int code, int64_t since_us);
  void print(MetricText& out) const;

 private:
  const Clock& clock_;
  LabelTable<uint64_t> requests_;
  LabelTable<Histogram> seconds_;
};

class PartClient final : public Client {
 public:
  PartClient(std::unique_ptr<InProcessClient> inner, Identity identity, std::shared_ptr<Audit> audit, PartCalls& calls, Random& random)
      : inner_(std::move(inner)), identity_(std::move(identity)), audit_(std::move(audit)), calls_(calls), random_(random) {}

  const Snapshot& snapshot() const override { return inner_->snapshot(); }
  std::unique_ptr<Subscription> subscribe(std::vector<ResourceId> resources, std::function<void(const Change&)> fn) override {
    return inner_->subscribe(std::move(resources), std::move(fn));
  }
  Task<Result<Document>> create(ResourceId resource, std::string ns, Document object, WriteOptions options) override;
  Task<Result<Document>> update(ResourceId resource, ObjectKey key, Document object, WriteOptions options) override;
  Task<Result<Document>> patch(ResourceId resource, ObjectKey key, PatchType type, Document patch, WriteOptions options) override;
  Task<Result<Document>> remove(ResourceId resource, ObjectKey key, DeleteOptions options) override;

 private:
  std::shared_ptr<AuditTrail> begin(std::string_view verb, const ResourceId& resource, const ObjectKey& key, const WriteOptions& options);
  struct Asked {
    std::string_view method;
    int64_t since_us;
    std::shared_ptr<AuditTrail> trail;  // may be null
    InProcessClient::Notes notes;       // may be null
  };
  Asked ask(std::string_view method, std::string_view verb, const ResourceId& resource, const ObjectKey& key, const WriteOptions& options);
  // Waits for the call, counts it and writes its answer into the audit log. code: of a success.
  Task<Result<Document>> finish(Asked asked, Task<Result<Document>> call, int code);

  std::unique_ptr<InProcessClient> inner_;
  Identity identity_;
  std::shared_ptr<Audit> audit_;  // may be null
  PartCalls& calls_;
  Random& random_;
};

}  // namespace bramble

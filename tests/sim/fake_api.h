// FakeApi: a test double of the API behind core/client: objects in a map, with uids, generations, resourceVersion and uid
// preconditions, finalizers, graceful deletion, propagation, bindings, the status and finalize subresources. Calls wait until
// step() answers one, in random order; by chance one fails before it was done, or is done and its answer lost.
// It keeps the promise that controllers rely on: everybody sees a write before its writer is answered.
#pragma once

#include <list>
#include <vector>

#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/client/map_snapshot.h"
#include "core/json/builder.h"

namespace bramble {

class FakeApi {
 public:
  FakeApi(const Clock& clock, uint64_t seed) : clock_(clock), random_(seed) {}

  MapSnapshot state;
  double lose_before = 0, lose_after = 0;      // chances of a call to fail undone, or done with its answer lost
  size_t writes = 0;                           // done, Events not counted
  std::function<void(const Change&)> observer;  // sees every change first

  std::unique_ptr<Client> client();
  bool step();  // answers one waiting call; false when there is none
  void drop_calls() { waiting_.clear(); }  // those who made them are gone

  // At once, as somebody with kubectl. Errors as the API's.
  Result<Document> create(ResourceId resource, std::string ns, Document object, const std::string& subresource = {});
  Result<Document> update(ResourceId resource, ObjectKey key, Document object, const std::string& subresource = {});
  Result<Document> patch(ResourceId resource, ObjectKey key, PatchType type, Document patch, const std::string& subresource = {});
  Result<Document> remove(ResourceId resource, ObjectKey key, const DeleteOptions& options);

 private:
  friend class FakeClient;
  struct Call {
    std::function<Result<Document>()> run;
    std::optional<Result<Document>> answer;
    Event answered;
  };
  struct Listener {
    std::vector<ResourceId> resources;
    std::function<void(const Change&)> fn;
  };
  class FakeSubscription;
  Result<Document> put(const ResourceId& resource, Builder object);
  Result<Document> erase(const ResourceId& resource, const ObjectKey& key);
  void tell(const Change& change);
  bool chance(double p) { return static_cast<double>(random_.below(1000000)) < p * 1e6; }

  const Clock& clock_;
  SeededRandom random_;
  int64_t revision_ = 100;
  std::vector<std::shared_ptr<Call>> waiting_;
  std::list<Listener> listeners_;
};

}  // namespace bramble

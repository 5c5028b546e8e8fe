#include "tests/sim/fake_api.h"

#include <algorithm>

#include "core/json/patch.h"
#include "core/registry/api_status.h"
#include "core/resources/conditions.h"
#include "core/resources/kind.h"

namespace bramble {

namespace {

Error not_found(const ResourceId& resource, const ObjectKey& key) {
  return Error(Code::kNotFound, cat(resource.resource, " \"", key.name, "\" not found"));
}

Error conflict(const ResourceId& resource, const ObjectKey& key) {
  return Error(Code::kConflict, cat("Operation cannot be fulfilled on ", resource.resource, " \"", key.name, "\""));
}

void add_finalizer(Mut object, const char* finalizer) {
  Mut list = object.object("metadata").array("finalizers");
  for (Mut f : list.items()) {
    if (f.str() == finalizer) return;
  }
  list.append(finalizer);
}

bool has_finalizers(Mut object) { return object["metadata"]["finalizers"].size() > 0; }

}  // namespace

class FakeApi::FakeSubscription final : public Subscription {
 public:
  FakeSubscription(FakeApi* api, std::list<Listener>::iterator at) : api_(api), at_(at) {}
  ~FakeSubscription() override { api_->listeners_.erase(at_); }

 private:
  FakeApi* api_;
  std::list<Listener>::iterator at_;
};

class FakeClient final : public Client {
 public:
  explicit FakeClient(FakeApi* api) : api_(api) {}
  const Snapshot& snapshot() const override { return api_->state; }
  std::unique_ptr<Subscription> subscribe(std::vector<ResourceId> resources, std::function<void(const Change&)> fn) override {
    api_->listeners_.push_back({std::move(resources), std::move(fn)});
    return std::make_unique<FakeApi::FakeSubscription>(api_, std::prev(api_->listeners_.end()));
  }
  Task<Result<Document>> create(ResourceId resource, std::string ns, Document object, WriteOptions options) override {
    FakeApi* api = api_;
    return call([=] { return api->create(resource, ns, object, options.subresource); });
  }
  Task<Result<Document>> update(ResourceId resource, ObjectKey key, Document object, WriteOptions options) override {
    FakeApi* api = api_;
    return call([=] { return api->update(resource, key, object, options.subresource); });
  }
  Task<Result<Document>> patch(ResourceId resource, ObjectKey key, PatchType type, Document patch, WriteOptions options) override {
    FakeApi* api = api_;
    return call([=] { return api->patch(resource, key, type, patch, options.subresource); });
  }
  Task<Result<Document>> remove(ResourceId resource, ObjectKey key, DeleteOptions options) override {
    FakeApi* api = api_;
    return call([=] { return api->remove(resource, key, options); });
  }

 private:
  Task<Result<Document>> call(std::function<Result<Document>()> run) {
    auto c = std::make_shared<FakeApi::Call>();
    c->run = std::move(run);
    api_->waiting_.push_back(c);
    return wait_for(c);
  }
  static Task<Result<Document>> wait_for(std::shared_ptr<FakeApi::Call> c) {
    co_await c->answered.wait();
    co_return std::move(*c->answer);
  }
  FakeApi* api_;
};

std::unique_ptr<Client> FakeApi::client() { return std::make_unique<FakeClient>(this); }

bool FakeApi::step() {
  if (waiting_.empty()) return false;
  size_t at = random_.below(waiting_.size());
  std::shared_ptr<Call> c = waiting_[at];
  waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(at));
  if (chance(lose_before)) {
    c->answer = Error(Code::kUnavailable, "the call was lost");
  } else {
    c->answer = c->run();
    if (c->answer->ok() && chance(lose_after)) c->answer = Error(Code::kTimeout, "the answer was lost");
  }
  c->answered.set();
  return true;
}

void FakeApi::tell(const Change& change) {
  if (change.resource != resource_ids::kEvents) writes++;
  if (observer) observer(change);
  for (auto it = listeners_.begin(); it != listeners_.end();) {
    auto next = std::next(it);
    if (std::find(it->resources.begin(), it->resources.end(), change.resource) != it->resources.end()) it->fn(change);
    it = next;
  }
}

Result<Document> FakeApi::put(const ResourceId& resource, Builder object) {
  ObjectKey key{object["metadata"]["namespace"].text(), object["metadata"]["name"].text()};
  Document before = state.get(resource, key.ns, key.name);
  bool ending = object["metadata"]["deletionTimestamp"].exists();
  bool kept = has_finalizers(object.root()) || object["spec"]["finalizers"].size() > 0 ||
              object["metadata"]["deletionGracePeriodSeconds"].integer() > 0;
  if (ending && !kept) return erase(resource, key);
  object["metadata"].remove("resourceVersion");
  Document without_version = object.snapshot();
  if (before) {
    Builder was(before.root());
    was["metadata"].remove("resourceVersion");
    if (equal(was.root(), object.root())) return before;  // a write that changes nothing writes nothing
  }
  object["metadata"].set("resourceVersion", cat(++revision_));
  Document after = object.finish();
  state.put(resource, after);
  tell({resource, before, after});
  return after;
}

Result<Document> FakeApi::erase(const ResourceId& resource, const ObjectKey& key) {
  Document before = state.remove(resource, key);
  ++revision_;
  tell({resource, before, {}});
  return before;
}

Result<Document> FakeApi::create(ResourceId resource, std::string ns, Document object, const std::string& subresource) {
  std::string name(name_of(object));
  if (subresource == "binding") {
    Document pod = state.get(resource, ns, name);
    if (!pod) return not_found(resource, {ns, name});
    bool free = pod["spec"]["nodeName"].str().empty() && !pod["metadata"]["deletionTimestamp"].exists();
    if (!free || uid_of(pod) != uid_of(object)) return conflict(resource, {ns, name});
    Builder next(pod.root());
    next.root().object("spec").set("nodeName", object["target"]["name"]);
    set_condition(next.root().object("status").array("conditions"), {"PodScheduled", "True", "", ""}, clock_.now_rfc3339());
    return put(resource, std::move(next));
  }
  Builder b(object.root());
  Mut metadata = b.root().object("metadata");
  if (name.empty()) name = cat(metadata["generateName"].str(), random_.suffix(5));
  metadata.remove("generateName");
  metadata.set("name", name);
  if (!ns.empty()) metadata.set("namespace", ns);
  if (state.get(resource, ns, name)) return Error(Code::kAlreadyExists, cat(resource.resource, " \"", name, "\" already exists"));
  Document in = state.get(resource_ids::kNamespaces, "", ns);
  if (in && in["metadata"]["deletionTimestamp"].exists() && resource != resource_ids::kEvents) {
    StatusDetails details;
    details.present = true;
    details.causes.push_back({"NamespaceTerminating", cat("namespace ", ns, " is being terminated"), "metadata.namespace"});
    return status_failure(Code::kPermissionDenied, cat("namespace ", ns, " is being terminated"), details);
  }
  metadata.set("uid", random_.uuid());
  metadata.set("creationTimestamp", clock_.now_rfc3339());
  metadata.set("generation", 1);
  if (resource == resource_ids::kPods) b.root().object("status").set("phase", "Pending");
  if (resource == resource_ids::kReplicaSets) b.root().object("status").set("replicas", 0);
  if (resource == resource_ids::kNamespaces) b.root().object("spec").array("finalizers").append("kubernetes");
  return put(resource, std::move(b));
}

Result<Document> FakeApi::update(ResourceId resource, ObjectKey key, Document object, const std::string& subresource) {
  Document before = state.get(resource, key.ns, key.name);
  if (!before) return not_found(resource, key);
  std::string_view version = version_of(object);
  if (!version.empty() && version != version_of(before)) return conflict(resource, key);
  if (subresource == "status") {
    Builder next(before.root());
    next.root().set("status", object["status"]);
    return put(resource, std::move(next));
  }
  Builder next(object.root());
  if (subresource != "finalize") next.root().set("status", before["status"]);
  bool new_spec = !equal(before["spec"], object["spec"]);
  if (new_spec) next["metadata"].set("generation", before["metadata"]["generation"].integer() + 1);
  return put(resource, std::move(next));
}

Result<Document> FakeApi::patch(ResourceId resource, ObjectKey key, PatchType type, Document patch, const std::string& subresource) {
  Document before = state.get(resource, key.ns, key.name);
  if (!before) return not_found(resource, key);
  std::string_view uid = patch["metadata"]["uid"].str();
  if (!uid.empty() && uid != uid_of(before)) return conflict(resource, key);
  std::string_view version = patch["metadata"]["resourceVersion"].str();
  if (!version.empty() && version != version_of(before)) return conflict(resource, key);
  if (type == PatchType::kMerge) return update(resource, key, merge_patch(before.root(), patch.root()).finish(), subresource);
  const Kind* kind = find_kind(resource.group, resource.version, resource.resource);
  Result<Builder> next = strategic_merge(kind ? kind->type : nullptr, before.root(), patch.root());
  if (!next.ok()) return next.error();
  return update(resource, key, next->finish(), subresource);
}

Result<Document> FakeApi::remove(ResourceId resource, ObjectKey key, const DeleteOptions& options) {
  Document before = state.get(resource, key.ns, key.name);
  if (!before) return not_found(resource, key);
  if (!options.uid.empty() && options.uid != uid_of(before)) return conflict(resource, key);
  if (!options.resource_version.empty() && options.resource_version != version_of(before)) return conflict(resource, key);
  Builder next(before.root());
  Mut metadata = next.root().object("metadata");
  if (options.propagation == "Foreground") add_finalizer(next.root(), "foregroundDeletion");
  if (options.propagation == "Orphan") add_finalizer(next.root(), "orphan");
  if (!metadata.has("deletionTimestamp")) metadata.set("deletionTimestamp", clock_.now_rfc3339());
  bool on_a_node = !before["spec"]["nodeName"].str().empty();
  bool graceful = resource == resource_ids::kPods && on_a_node && options.grace_period_s.value_or(30) > 0;
  metadata.set("deletionGracePeriodSeconds", graceful ? 30 : 0);
  if (resource == resource_ids::kNamespaces) next.root().object("status").set("phase", "Terminating");
  return put(resource, std::move(next));
}

}  // namespace bramble

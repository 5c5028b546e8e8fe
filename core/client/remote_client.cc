#include "core/client/remote_client.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/limits_client.h"
#include "core/base/log.h"
#include "core/loop/race.h"

namespace bramble {

namespace {

ObjectKey key_of(const Document& object) { return {std::string(namespace_of(object)), std::string(name_of(object))}; }

uint64_t revision_of(const Document& object) { return parse_uint64(version_of(object)).value_or(0); }

bool is_heartbeat(const ResourceId& resource, std::string_view subresource) {
  return resource == resource_ids::kLeases || (resource == resource_ids::kNodes && subresource == "status");
}

}  // namespace

struct RemoteApi::Subscriber final : Subscription {
  std::set<ResourceId> resources;
  std::function<void(const Change&)> fn;
};

namespace {

// Keeps the subscriber, which the API knows weakly.
template <class T>
class Held final : public Subscription {
 public:
  explicit Held(std::shared_ptr<T> held) : held_(std::move(held)) {}

 private:
  std::shared_ptr<T> held_;
};

}  // namespace

RemoteApi::RemoteApi(Options options, Clock& clock, Random& random) : options_(std::move(options)), clock_(clock), random_(random) {
  if (options_.follows_pods) follow(resource_ids::kPods);
}
RemoteApi::~RemoteApi() = default;

RemoteApi::Kept& RemoteApi::kept(const ResourceId& resource) const {
  auto it = kept_.find(resource);
  if (it != kept_.end()) return it->second;
  Kept& made = kept_[resource];
  made.resource = resource;
  if (auto scope = options_.scopes.find(resource); scope != options_.scopes.end()) made.scope = scope->second;
  if (made.scope.how == Scope::How::kWhole) {
    RemoteApi* self = const_cast<RemoteApi*>(this);
    made.informers[ObjectKey()] = std::make_unique<Informer>(WatchScope{resource, made.scope.ns, made.scope.field_selector}, *options_.api, *self, random_);
  }
  return made;
}

void RemoteApi::follow(const ResourceId& resource) { kept(resource); }

bool RemoteApi::synced(const std::vector<ResourceId>& resources) const {
  return std::all_of(resources.begin(), resources.end(), [this](const ResourceId& r) {
    auto it = kept_.find(r);
    if (it == kept_.end() || it->second.scope.how != Scope::How::kWhole) return false;
    return it->second.informers.begin()->second->synced();
  });
}

Task<bool> RemoteApi::until_synced(std::vector<ResourceId> resources, int64_t ms) {
  for (const ResourceId& r : resources) follow(r);
  const int64_t until_us = Loop::current().now_us() + ms * 1000;
  for (;;) {
    if (synced(resources)) co_return true;
    int64_t left_ms = (until_us - Loop::current().now_us()) / 1000;
    bool failing = false;
    for (const ResourceId& r : resources) failing = failing || kept(r).informers.begin()->second->last_error();
    if (left_ms <= 0 || (failing && !options_.api->connected())) co_return false;
    auto wait = [](std::shared_ptr<Event> news) -> Task<void> { co_await news->wait(); };
    Race race;
    race.add(wait(news_));
    race.within_ms(std::min(left_ms, limits::kWatchRetryMsMin));
    co_await race.first().wait();
  }
}

void RemoteApi::follow_object(Kept& k, const ObjectKey& key) const {
  auto& informer = k.informers[key];
  if (informer) return;
  RemoteApi* self = const_cast<RemoteApi*>(this);
  informer = std::make_unique<Informer>(WatchScope{k.resource, key.ns, cat("metadata.name=", key.name)}, *options_.api, *self, random_);
}

// What no pod names any more is let go of: the node may not read it now.
void RemoteApi::follow_pods() {
  PodReferences now;
  for (const auto& [key, pod] : kept(resource_ids::kPods).objects) add_references(pod, &now);
  auto settle = [this](const ResourceId& resource, const std::set<ObjectKey>& wanted) {
    Kept& k = kept(resource);
    for (const ObjectKey& key : wanted) follow_object(k, key);
    std::vector<std::unique_ptr<Informer>> doomed;
    for (auto it = k.informers.begin(); it != k.informers.end();) {
      if (wanted.contains(it->first)) {
        ++it;
        continue;
      }
      k.objects.erase(it->first);
      doomed.push_back(std::move(it->second));
      it = k.informers.erase(it);
    }
    if (doomed.empty()) return;
    // An informer's own step may have led here.
    auto held = std::make_shared<std::vector<std::unique_ptr<Informer>>>(std::move(doomed));
    Loop::current().post([held] { held->clear(); });
  };
  settle(resource_ids::kSecrets, now.secrets);
  settle(resource_ids::kConfigMaps, now.config_maps);
}

void RemoteApi::fetch_if_stale(Kept& k, const ObjectKey& key) const {
  Entry& entry = k.fetched[key];
  if (entry.fetching) return;
  if (entry.fetched_us != 0 && clock_.monotonic_us() - entry.fetched_us < limits::kRemoteGetFreshUs) return;
  entry.fetching = true;
  RemoteApi* self = const_cast<RemoteApi*>(this);
  tasks_.start(self->fetch(k.resource, key));
}

Task<void> RemoteApi::fetch(ResourceId resource, ObjectKey key) {
  HttpClientRequest request;
  request.target = api_path(resource, key.ns, key.name);
  request.headers = {{"accept", "application/json"}};
  std::string target = request.target;
  auto got = co_await send(resource, {}, std::move(request));
  Kept& k = kept(resource);
  Entry& entry = k.fetched[key];
  entry.fetching = false;
  entry.fetched_us = clock_.monotonic_us();
  bool absent = !got.ok() && got.error().code() == Code::kNotFound;
  if (!got.ok() && !absent) {
    log_debug("get ", target, ": ", got.error().message());
    co_return;
  }
  bool first = !std::exchange(entry.known, true);
  Document before = entry.object;
  entry.object = got.ok() ? *got : Document();
  bool same = version_of(before) == version_of(entry.object) && uid_of(before) == uid_of(entry.object);
  if (first && absent) tell(Change{resource, {}, {}});
  else if (!same) tell(Change{resource, before, entry.object});
}

Document RemoteApi::View::get(const ResourceId& resource, std::string_view ns, std::string_view name) const {
  Kept& k = api_.kept(resource);
  ObjectKey key{std::string(ns), std::string(name)};
  if (k.scope.how == Scope::How::kByGet) {
    api_.fetch_if_stale(k, key);
    return k.fetched[key].object;
  }
  if (k.scope.how == Scope::How::kByObject && !k.informers.contains(key)) api_.follow_object(k, key);
  auto it = k.objects.find(key);
  return it == k.objects.end() ? Document() : it->second;
}

void RemoteApi::View::each(const ResourceId& resource, std::string_view ns, const std::function<bool(const Document&)>& fn) const {
  Kept& k = api_.kept(resource);
  std::vector<Document> shown;  // fn may change what is kept
  for (auto it = k.objects.lower_bound(ObjectKey{std::string(ns), ""}); it != k.objects.end(); ++it) {
    if (!ns.empty() && it->first.ns != ns) break;
    shown.push_back(it->second);
  }
  for (const Document& object : shown)
    if (!fn(object)) return;
}

bool RemoteApi::is_known(const ResourceId& resource, std::string_view ns, std::string_view name) const {
  Kept& k = kept(resource);
  ObjectKey key{std::string(ns), std::string(name)};
  if (k.scope.how == Scope::How::kByGet) {
    auto it = k.fetched.find(key);
    return it != k.fetched.end() && it->second.known;
  }
  if (k.scope.how == Scope::How::kWhole) key = ObjectKey();
  auto it = k.informers.find(key);
  return it != k.informers.end() && it->second->synced();
}

bool RemoteApi::View::may_be_lost(const ResourceId& resource, std::string_view ns, std::string_view name) const {
  if (!api_.is_known(resource, ns, name)) return true;
  Kept& k = api_.kept(resource);
  auto it = k.informers.find(k.scope.how == Scope::How::kWhole ? ObjectKey() : ObjectKey{std::string(ns), std::string(name)});
  return it != k.informers.end() && it->second->in_doubt();
}

std::unique_ptr<Subscription> RemoteApi::subscribe(std::vector<ResourceId> resources, std::function<void(const Change&)> fn) {
  auto subscriber = std::make_shared<Subscriber>();
  subscriber->resources.insert(resources.begin(), resources.end());
  subscriber->fn = std::move(fn);
  subscribers_.push_back(subscriber);
  for (const ResourceId& r : resources) follow(r);
  return std::make_unique<Held<Subscriber>>(std::move(subscriber));
}

void RemoteApi::tell(const Change& change) {
  std::erase_if(subscribers_, [](const auto& s) { return s.expired(); });
  auto now = subscribers_;
  for (const auto& weak : now) {
    auto subscriber = weak.lock();
    if (subscriber && subscriber->resources.contains(change.resource)) subscriber->fn(change);
  }
  std::shared_ptr<Event> news = news_;
  Loop::current().post([news] { news->pulse(); });
}

void RemoteApi::set(Kept& k, const ObjectKey& key, Document object) {
  Document before;
  if (auto it = k.objects.find(key); it != k.objects.end()) before = it->second;
  // A watch may be behind what an own write has answered.
  if (before && object && uid_of(before) == uid_of(object) && revision_of(object) <= revision_of(before)) return;
  if (!before && !object) return;
  k.written.erase(key);
  if (object) k.objects[key] = object;
  else k.objects.erase(key);
  ResourceId resource = k.resource;
  if (options_.follows_pods && resource == resource_ids::kPods) follow_pods();
  tell(Change{resource, before, object});
}

void RemoteApi::put(const WatchScope& scope, Document object) {
  ObjectKey key = key_of(object);
  set(kept(scope.resource), key, std::move(object));
}

void RemoteApi::remove(const WatchScope& scope, Document object) {
  Kept& k = kept(scope.resource);
  ObjectKey key = key_of(object);
  auto it = k.objects.find(key);
  // One of the same name that came since stays.
  if (it == k.objects.end() || (uid_of(it->second) != uid_of(object) && revision_of(it->second) > revision_of(object))) return;
  set(k, key, {});
}

void RemoteApi::listed(const WatchScope& scope, const std::set<ObjectKey>& there, uint64_t revision, bool doubt) {
  Kept& k = kept(scope.resource);
  std::vector<ObjectKey> gone;
  for (const auto& [key, object] : k.objects) {
    bool of_scope = (scope.ns.empty() || key.ns == scope.ns) && field_selector_takes(scope.field_selector, object);
    bool written_since = k.written.contains(key) && revision_of(object) > revision;
    if (of_scope && !there.contains(key) && !written_since) gone.push_back(key);
  }
  if (!doubt)
    for (const ObjectKey& key : gone) set(k, key, {});
  tell(Change{scope.resource, {}, {}});
}

// Only of what is followed.
void RemoteApi::note_written(const ResourceId& resource, const Document& object) {
  auto it = kept_.find(resource);
  if (it == kept_.end() || name_of(object).empty() || object["kind"].str() == "Status") return;
  Kept& k = it->second;
  ObjectKey key = key_of(object);
  if (k.scope.how == Scope::How::kByGet) {
    Entry& entry = k.fetched[key];
    entry.object = object;
    entry.known = true;
    entry.fetched_us = clock_.monotonic_us();
    return;
  }
  bool taken = k.scope.how == Scope::How::kWhole ? (k.scope.ns.empty() || k.scope.ns == key.ns) && field_selector_takes(k.scope.field_selector, object) : k.informers.contains(key);
  if (!taken) return;
  set(k, key, object);
  if (k.objects.contains(key)) k.written.insert(key);
}

Task<Result<Document>> RemoteApi::send(ResourceId resource, std::string subresource, HttpClientRequest request) {
  ApiTransport* transport = options_.heartbeats && is_heartbeat(resource, subresource) ? options_.heartbeats : options_.api;
  int64_t timeout_ms = transport == options_.heartbeats ? limits::kHeartbeatMs : limits::kApiRequestMs;
  auto answer = co_await transport->request(std::move(request), limits::kApiAnswerBytesMax, timeout_ms);
  CO_TRY(answer);
  co_return object_of_answer(*answer);
}

Task<Result<Document>> RemoteApi::create(ResourceId resource, std::string ns, Document object, WriteOptions options) {
  HttpClientRequest request = create_request(resource, ns, object, options);
  auto made = co_await send(resource, options.subresource, std::move(request));
  if (made.ok() && options.subresource.empty() && !options.dry_run) note_written(resource, *made);
  co_return made;
}

Task<Result<Document>> RemoteApi::update(ResourceId resource, ObjectKey key, Document object, WriteOptions options) {
  HttpClientRequest request = update_request(resource, key, object, options);
  auto written = co_await send(resource, options.subresource, std::move(request));
  if (written.ok() && !options.dry_run) note_written(resource, *written);
  // What is fetched only when asked for may be behind what somebody else wrote.
  bool behind = !written.ok() && (written.error().code() == Code::kConflict || written.error().code() == Code::kNotFound);
  if (auto it = kept_.find(resource); behind && it != kept_.end()) it->second.fetched.erase(key);
  co_return written;
}

Task<Result<Document>> RemoteApi::patch(ResourceId resource, ObjectKey key, PatchType type, Document patch, WriteOptions options) {
  HttpClientRequest request = patch_request(resource, key, type, patch, options, options_.manager);
  auto written = co_await send(resource, options.subresource, std::move(request));
  if (written.ok() && !options.dry_run) note_written(resource, *written);
  co_return written;
}

Task<Result<Document>> RemoteApi::remove(ResourceId resource, ObjectKey key, DeleteOptions options) {
  HttpClientRequest request = remove_request(resource, key, options);
  auto removed = co_await send(resource, {}, std::move(request));
  co_return removed;
}

}  // namespace bramble

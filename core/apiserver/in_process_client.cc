#include "core/apiserver/in_process_client.h"

#include "core/apiserver/apiserver.h"
#include "core/apiserver/field_writer.h"
#include "core/apiserver/reviews.h"
#include "core/apiserver/write_step.h"
#include "core/registry/api_status.h"

namespace bramble {

namespace {

class CacheSubscription final : public Subscription {
 public:
  std::vector<std::unique_ptr<WatchCache::Observation>> observations;
};

}  // namespace

std::unique_ptr<Client> ApiServer::client(Identity identity) {
  auto inner = std::make_unique<InProcessClient>(verbs_, identity, authorizer_, tokens_, options_.authorize_parts);
  return std::make_unique<PartClient>(std::move(inner), std::move(identity), options_.audit, part_calls_, registry_.random());
}

InProcessClient::InProcessClient(Verbs& verbs, Identity identity, const Authorizer& reviewer, const TokenIssuer& tokens, bool authorize)
    : verbs_(verbs),
      identity_(std::move(identity)),
      reviewer_(reviewer),
      tokens_(tokens),
      authorizer_(authorize ? &reviewer : nullptr),
      snapshot_(verbs.registry().cache()) {}

Document InProcessClient::CacheSnapshot::get(const ResourceId& resource, std::string_view ns, std::string_view name) const {
  const Kind* kind = find_kind(resource.group, resource.version, resource.resource);
  if (kind == nullptr) return {};
  EntryRef entry = cache_.get(registry_key(*kind, ns, name));
  return entry ? shown_form(*kind, entry->document) : Document();
}

bool InProcessClient::CacheSnapshot::may_be_lost(const ResourceId& resource, std::string_view ns, std::string_view name) const {
  const Kind* kind = find_kind(resource.group, resource.version, resource.resource);
  return kind != nullptr && cache_.may_be_lost(registry_key(*kind, ns, name));
}

void InProcessClient::CacheSnapshot::each(const ResourceId& resource, std::string_view ns,
                                          const std::function<bool(const Document&)>& fn) const {
  const Kind* kind = find_kind(resource.group, resource.version, resource.resource);
  if (kind == nullptr) return;
  CacheView view = cache_.view();
  view.range(registry_prefix(*kind, ns), "", 0, [&](const EntryRef& entry) { return fn(shown_form(*kind, entry->document)); });
}

std::unique_ptr<Subscription> InProcessClient::subscribe(std::vector<ResourceId> resources, std::function<void(const Change&)> fn) {
  auto out = std::make_unique<CacheSubscription>();
  WatchCache& cache = verbs_.registry().cache();
  auto shared = std::make_shared<std::function<void(const Change&)>>(std::move(fn));
  for (const ResourceId& resource : resources) {
    const Kind* kind = find_kind(resource.group, resource.version, resource.resource);
    if (kind == nullptr) continue;
    out->observations.push_back(cache.observe_topic(
        registry_prefix(*kind, ""), [shared, resource, kind](const std::vector<EventRef>& events) {
          auto call = shared;  // the subscriber may drop its subscription within
          for (const EventRef& event : events) {
            Change change{resource, event->before ? shown_form(*kind, event->before->document) : Document(),
                          event->after ? shown_form(*kind, event->after->document) : Document()};
            (*call)(change);
          }
        }));
  }
  return out;
}

Result<CallRef> InProcessClient::call_of(std::string_view verb, const ResourceId& resource, const std::string& ns,
                                         const std::string& name, const WriteOptions& options) const {
  const Kind* kind = find_kind(resource.group, resource.version, resource.resource);
  if (kind == nullptr) return api_no_such_resource();
  auto call = std::make_shared<Call>();
  call->may_create = [] { return ok(); };
  if (authorizer_ != nullptr) {
    Attributes what;
    what.verb = verb, what.group = resource.group, what.version = resource.version, what.resource = resource.resource;
    what.subresource = options.subresource, what.name = name;
    if (kind->namespaced || resource.resource == "namespaces") what.ns = kind->namespaced ? ns : name;
    TRY(authorizer_->authorize(identity_, what));
    what.verb = "create";
    call->may_create = [authorizer = authorizer_, user = identity_, what] { return authorizer->authorize(user, what); };
  }
  call->kind = kind;
  call->ns = kind->namespaced ? ns : std::string();
  call->name = name, call->subresource = options.subresource;
  call->user = identity_;
  call->dry_run = options.dry_run;
  call->validation = FieldValidation::kIgnore;
  call->manager = manager_of_part(identity_);
  call->force = true;
  return call;
}

Task<Result<Document>> InProcessClient::create(ResourceId resource, std::string ns, Document object, WriteOptions options, Notes notes) {
  std::string parent = options.subresource.empty() ? std::string() : std::string(name_of(object));
  auto call = call_of("create", resource, ns, parent, options);
  CO_TRY(call);
  const Kind& kind = *(*call)->kind;
  WriteStep step(verbs_.registry(), kind, "create", options.subresource, ns, name_of(object), *object.bytes());
  if (!step.allowed()) co_return step.refusal();
  auto expected = Verbs::expected_type(kind, options.subresource);
  CO_TRY(expected);
  auto decoded = decode_object(*expected, object.root(), FieldValidation::kIgnore, nullptr);
  CO_TRY(decoded);
  Document canonical = decoded->finish();
  if (is_review(kind) && options.subresource.empty()) {
    co_return answer_review(kind, (*call)->ns, identity_, canonical, reviewer_, tokens_, verbs_.registry().clock());
  }
  auto reply = co_await verbs_.create(*call, canonical);
  if (notes) *notes = (*call)->annotations;
  CO_TRY(reply);
  co_return reply->object;
}

Task<Result<Document>> InProcessClient::update(ResourceId resource, ObjectKey key, Document object, WriteOptions options, Notes notes) {
  auto call = call_of("update", resource, key.ns, key.name, options);
  CO_TRY(call);
  WriteStep step(verbs_.registry(), *(*call)->kind, "update", options.subresource, key.ns, key.name, *object.bytes());
  if (!step.allowed()) co_return step.refusal();
  auto expected = Verbs::expected_type(*(*call)->kind, options.subresource);
  CO_TRY(expected);
  auto decoded = decode_object(*expected, object.root(), FieldValidation::kIgnore, nullptr);
  CO_TRY(decoded);
  Document canonical = decoded->finish();
  auto reply = co_await verbs_.update(*call, canonical);
  if (notes) *notes = (*call)->annotations;
  CO_TRY(reply);
  co_return reply->object;
}

Task<Result<Document>> InProcessClient::patch(ResourceId resource, ObjectKey key, PatchType type, Document patch, WriteOptions options,
                                              Notes notes) {
  auto call = call_of("patch", resource, key.ns, key.name, options);
  CO_TRY(call);
  WriteStep step(verbs_.registry(), *(*call)->kind, "patch", options.subresource, key.ns, key.name, *patch.bytes());
  if (!step.allowed()) co_return step.refusal();
  auto reply = co_await verbs_.patch(*call, type, patch);
  if (notes) *notes = (*call)->annotations;
  CO_TRY(reply);
  co_return reply->object;
}

Task<Result<Document>> InProcessClient::remove(ResourceId resource, ObjectKey key, DeleteOptions options) {
  WriteOptions plain;
  auto call = call_of("delete", resource, key.ns, key.name, plain);
  CO_TRY(call);
  WriteStep step(verbs_.registry(), *(*call)->kind, "delete", {}, key.ns, key.name, {});
  if (!step.allowed()) co_return step.refusal();
  Removal removal;
  removal.grace_period_s = options.grace_period_s;
  removal.propagation = options.propagation;
  if (!options.uid.empty()) removal.uid = options.uid;
  if (!options.resource_version.empty()) removal.resource_version = options.resource_version;
  auto reply = co_await verbs_.remove(*call, removal);
  CO_TRY(reply);
  co_return reply->object;
}

}  // namespace bramble

#include "core/apiserver/part_client.h"

#include "core/apiserver/authz.h"
#include "core/registry/api_status.h"
#include "core/resources/kind.h"

namespace bramble {

std::shared_ptr<AuditTrail> PartClient::begin(std::string_view verb, const ResourceId& resource, const ObjectKey& key,
                                              const WriteOptions& options) {
  if (!audit_) return nullptr;
  Audit::Arrived a;
  a.id = random_.uuid();
  a.user = identity_;
  a.source_ips = {"127.0.0.1"};
  a.user_agent = "bramble (in process)";
  a.what.verb = verb;
  a.what.group = resource.group, a.what.version = resource.version, a.what.resource = resource.resource;
  a.what.subresource = options.subresource;
  a.what.ns = key.ns, a.what.name = key.name;
  a.uri = resource.group.empty() ? cat("/api/", resource.version) : cat("/apis/", resource.group, "/", resource.version);
  if (!key.ns.empty()) a.uri += cat("/namespaces/", key.ns);
  a.uri += cat("/", resource.resource);
  if (!key.name.empty()) a.uri += cat("/", key.name);
  if (!options.subresource.empty()) a.uri += cat("/", options.subresource);
  if (options.dry_run) a.uri += "?dryRun=All";
  a.what.path = a.uri;
  auto trail = audit_->begin(std::move(a), nullptr);
  if (trail) {
    // Its role is upstream's, and what it does is within it.
    trail->annotate("authorization.k8s.io/decision", "allow");
    trail->annotate("authorization.k8s.io/reason", "");
  }
  return trail;
}

void PartClient::finish(std::string_view method, const std::shared_ptr<AuditTrail>& trail, const Result<Document>& done, int code) {
  if (!done.ok()) code = http_status_of(done.error());
  std::string number = cat(code);
  calls_.find(cat(method, number), [&] { return label_text({{"code", number}, {"host", "in-process"}, {"method", method}}); })++;
  if (!trail) return;
  if (done.ok()) return trail->answered(code, *done);
  auto status = Document::parse(std::string_view(status_json_of(done.error())));
  trail->answered(code, status.ok() ? *status : Document());
}

Task<Result<Document>> PartClient::create(ResourceId resource, std::string ns, Document object, WriteOptions options) {
  ObjectKey key{ns, options.subresource.empty() ? std::string() : std::string(name_of(object))};
  auto trail = begin("create", resource, key, options);
  if (trail) trail->requested(object);
  Task<Result<Document>> call = inner_->create(std::move(resource), std::move(ns), std::move(object), std::move(options));
  Result<Document> done = co_await call;
  finish("POST", trail, done, 201);
  co_return done;
}

Task<Result<Document>> PartClient::update(ResourceId resource, ObjectKey key, Document object, WriteOptions options) {
  auto trail = begin("update", resource, key, options);
  if (trail) trail->requested(object);
  Task<Result<Document>> call = inner_->update(std::move(resource), std::move(key), std::move(object), std::move(options));
  Result<Document> done = co_await call;
  finish("PUT", trail, done, 200);
  co_return done;
}

Task<Result<Document>> PartClient::patch(ResourceId resource, ObjectKey key, PatchType type, Document patch, WriteOptions options) {
  auto trail = begin("patch", resource, key, options);
  if (trail) trail->patched(patch);
  Task<Result<Document>> call = inner_->patch(std::move(resource), std::move(key), type, std::move(patch), std::move(options));
  Result<Document> done = co_await call;
  finish("PATCH", trail, done, 200);
  co_return done;
}

Task<Result<Document>> PartClient::remove(ResourceId resource, ObjectKey key, DeleteOptions options) {
  WriteOptions plain;
  auto trail = begin("delete", resource, key, plain);
  Task<Result<Document>> call = inner_->remove(std::move(resource), std::move(key), std::move(options));
  Result<Document> done = co_await call;
  finish("DELETE", trail, done, 200);
  co_return done;
}

}  // namespace bramble

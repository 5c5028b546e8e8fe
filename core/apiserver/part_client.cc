#include "core/apiserver/part_client.h"

#include "core/apiserver/authz.h"
#include "core/base/limits.h"
#include "core/registry/api_status.h"
#include "core/resources/kind.h"

namespace bramble {

namespace {

constexpr double kSeconds[] = {0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0};

}  // namespace

PartCalls::PartCalls(const Clock& clock)
    : clock_(clock),
      requests_(limits::kMetricSeriesMax, [] { return uint64_t(0); }),
      seconds_(limits::kMetricSeriesMax, [] { return Histogram(kSeconds); }) {}

void PartCalls::done(std::string_view method, int code, int64_t since_us) {
  std::string number = cat(code);
  requests_.find(cat(method, number), [&] { return label_text({{"code", number}, {"host", "in-process"}, {"method", method}}); })++;
  Histogram& seconds = seconds_.find(method, [&] { return label_text({{"host", "in-process"}, {"verb", method}}); });
  seconds.observe(static_cast<double>(now_us() - since_us) / 1e6);
}

void PartCalls::print(MetricText& out) const {
  out.family("rest_client_requests_total", "counter", "BETA", "Number of HTTP requests, partitioned by status code, method, and host.");
  requests_.each([&out](const std::string& labels, const uint64_t& count) { out.value(labels, static_cast<double>(count)); });
  out.family("rest_client_request_duration_seconds", "histogram", "BETA", "Request latency in seconds. Broken down by verb, and host.");
  seconds_.each([&out](const std::string& labels, const Histogram& seconds) { out.histogram(labels, seconds); });
}

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

PartClient::Asked PartClient::ask(std::string_view method, std::string_view verb, const ResourceId& resource, const ObjectKey& key,
                                  const WriteOptions& options) {
  Asked out{method, calls_.now_us(), begin(verb, resource, key, options), nullptr};
  if (out.trail) out.notes = std::make_shared<AuditAnnotations>();
  return out;
}

Task<Result<Document>> PartClient::finish(Asked asked, Task<Result<Document>> call, int code) {
  Result<Document> done = co_await call;
  if (!done.ok()) code = http_status_of(done.error());
  calls_.done(asked.method, code, asked.since_us);
  if (!asked.trail) co_return done;
  asked.trail->annotate(*asked.notes);
  if (done.ok()) {
    asked.trail->answered(code, *done);
  } else {
    auto status = Document::parse(std::string_view(status_json_of(done.error())));
    asked.trail->answered(code, status.ok() ? *status : Document());
  }
  co_return done;
}

Task<Result<Document>> PartClient::create(ResourceId resource, std::string ns, Document object, WriteOptions options) {
  ObjectKey key{ns, options.subresource.empty() ? std::string() : std::string(name_of(object))};
  Asked asked = ask("POST", "create", resource, key, options);
  if (asked.trail) asked.trail->requested(object);
  auto notes = asked.notes;
  return finish(std::move(asked), inner_->create(std::move(resource), std::move(ns), std::move(object), std::move(options), std::move(notes)), 201);
}

Task<Result<Document>> PartClient::update(ResourceId resource, ObjectKey key, Document object, WriteOptions options) {
  Asked asked = ask("PUT", "update", resource, key, options);
  if (asked.trail) asked.trail->requested(object);
  auto notes = asked.notes;
  return finish(std::move(asked), inner_->update(std::move(resource), std::move(key), std::move(object), std::move(options), std::move(notes)), 200);
}

Task<Result<Document>> PartClient::patch(ResourceId resource, ObjectKey key, PatchType type, Document patch, WriteOptions options) {
  Asked asked = ask("PATCH", "patch", resource, key, options);
  if (asked.trail) asked.trail->patched(patch);
  auto notes = asked.notes;
  return finish(std::move(asked), inner_->patch(std::move(resource), std::move(key), type, std::move(patch), std::move(options), std::move(notes)), 200);
}

Task<Result<Document>> PartClient::remove(ResourceId resource, ObjectKey key, DeleteOptions options) {
  Asked asked = ask("DELETE", "delete", resource, key, WriteOptions());
  return finish(std::move(asked), inner_->remove(std::move(resource), std::move(key), std::move(options)), 200);
}

}  // namespace bramble

#include "core/apiserver/bootstrap.h"

#include "core/apiserver/role_reconcile.h"
#include "core/apiserver/usage_api.h"
#include "core/json/builder.h"
#include "core/resources/kind.h"

namespace bramble {

namespace {

Document namespace_object(std::string_view name) {
  Builder b;
  b.root().set("kind", "Namespace");
  b.root().set("apiVersion", "v1");
  b.root().object("metadata").set("name", name);
  return b.finish();
}

Document priority_class(std::string_view name, int64_t value, std::string_view description) {
  Builder b;
  b.root().set("kind", "PriorityClass");
  b.root().set("apiVersion", "scheduling.k8s.io/v1");
  b.root().object("metadata").set("name", name);
  b.root().set("value", value);
  b.root().set("description", description);
  return b.finish();
}

// Shown beside what administrators register; whoever puts a Service there is left alone.
Task<Status> register_usage_api(Client* client) {
  const ResourceId services{"apiregistration.k8s.io", "v1", "apiservices"};
  Document wanted = usage_api_service();
  Document there = client->snapshot().get(services, "", name_of(wanted));
  if (!there) {
    auto created = co_await client->create(services, "", wanted, WriteOptions());
    if (!created.ok() && created.error().code() != Code::kAlreadyExists) co_return created.error();
    if (created.ok()) there = *created;
  }
  if (!there || there["spec"]["service"].is_object() || there["status"]["conditions"].size() > 0) co_return ok();
  WriteOptions status;
  status.subresource = "status";
  ObjectKey key{"", std::string(name_of(wanted))};
  Document change = usage_api_service_status();
  auto written = co_await client->patch(services, key, PatchType::kMerge, change, status);
  co_return written.ok() ? ok() : Status(written.error());
}

}  // namespace

Task<Status> bootstrap_objects(Client* client) {
  std::vector<std::pair<ResourceId, Document>> wanted;
  for (std::string_view name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    wanted.emplace_back(resource_ids::kNamespaces, namespace_object(name));
  }
  if (find_kind("scheduling.k8s.io", "v1", "priorityclasses") != nullptr) {
    wanted.emplace_back(resource_ids::kPriorityClasses,
                        priority_class("system-cluster-critical", 2000000000,
                                       "Used for system critical pods that must run in the cluster, but can be moved to "
                                       "another node if necessary."));
    wanted.emplace_back(resource_ids::kPriorityClasses,
                        priority_class("system-node-critical", 2000001000,
                                       "Used for system critical pods that must not be moved from their current node."));
  }
  for (const auto& [resource, object] : wanted) {
    if (client->snapshot().get(resource, "", name_of(object))) continue;
    auto created = co_await client->create(resource, "", object, WriteOptions());
    if (!created.ok() && created.error().code() != Code::kAlreadyExists) co_return created.error();
  }
  Task<Status> registering = register_usage_api(client);
  auto registered = co_await registering;
  if (!registered.ok()) co_return registered;
  auto roles = co_await reconcile_default_roles(client);
  co_return roles;
}

}  // namespace bramble

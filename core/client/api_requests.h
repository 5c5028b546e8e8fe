// Requests of the Kubernetes API as HTTP, and answers as Results: paths, queries, bodies, Status objects. Pure; any thread.
// (Kubernetes: "API concepts"; "Server-side field validation".)
#pragma once

#include <string>

#include "core/client/client.h"
#include "core/http/client.h"

namespace bramble {

// "/apis/apps/v1/namespaces/default/deployments"; ns empty: all namespaces, or cluster-scoped; name empty: the collection.
std::string api_path(const ResourceId& resource, std::string_view ns, std::string_view name = {}, std::string_view subresource = {});

HttpClientRequest create_request(const ResourceId& resource, const std::string& ns, const Document& object, const WriteOptions& options);
HttpClientRequest update_request(const ResourceId& resource, const ObjectKey& key, const Document& object, const WriteOptions& options);
// manager: of fields, for kApply.
HttpClientRequest patch_request(const ResourceId& resource, const ObjectKey& key, PatchType type, const Document& patch, const WriteOptions& options, const std::string& manager);
HttpClientRequest remove_request(const ResourceId& resource, const ObjectKey& key, const DeleteOptions& options);

// What a watch follows: a resource, of one namespace or all, those that the field selector takes.
struct WatchScope {
  ResourceId resource;
  std::string ns, field_selector;
};
// From a resourceVersion, or from the state that is there ("": it comes first, ended by a bookmark).
HttpClientRequest watch_request(const WatchScope& scope, const std::string& resource_version, int64_t timeout_s);
// Whether a selector of "path=value" terms takes the object. Only for paths of text fields, as our scopes have them.
bool field_selector_takes(std::string_view selector, const Document& object);

// The object that was answered, or what its Status says. kInternal for an answer that is neither.
Result<Document> object_of_answer(const HttpResponse& response);
// Of a status number and a body that may be a Status.
Error error_of_answer(int http_status, std::string_view body);

}  // namespace bramble

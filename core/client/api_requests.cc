#include "core/client/api_requests.h"

#include "core/http/url.h"
#include "core/json/builder.h"
#include "core/json/stored.h"
#include "core/registry/api_status.h"

namespace bramble {

namespace {

std::string query_of(const WriteOptions& options) { return options.dry_run ? "?dryRun=All" : ""; }

HttpClientRequest json_request(std::string method, std::string target, Buffer body, std::string_view type = "application/json") {
  HttpClientRequest r;
  r.method = std::move(method);
  r.target = std::move(target);
  r.headers = {{"accept", "application/json"}};
  if (body) r.headers.push_back({"content-type", std::string(type)});
  r.body = std::move(body);
  return r;
}

std::string_view patch_media_type(PatchType type) {
  switch (type) {
    case PatchType::kJson:
      return "application/json-patch+json";
    case PatchType::kMerge:
      return "application/merge-patch+json";
    case PatchType::kStrategic:
      return "application/strategic-merge-patch+json";
    case PatchType::kApply:
      return "application/apply-patch+yaml";
  }
  return {};
}

constexpr Code kApiCodes[] = {Code::kInvalidArgument, Code::kUnauthenticated, Code::kPermissionDenied, Code::kNotFound, Code::kMethodNotAllowed, Code::kAlreadyExists, Code::kConflict, Code::kGone,
                              Code::kTooLarge, Code::kUnsupportedMedia, Code::kInvalidObject, Code::kTooManyRequests, Code::kInternal, Code::kUnavailable, Code::kTimeout};

// The reason says more than the number (409, 500); a number that no code has is the server's fault or ours.
Code code_of(std::string_view reason, int http) {
  if (reason == "Gone") return Code::kGone;
  for (Code code : kApiCodes)
    if (!reason.empty() && reason_of(code) == reason) return code;
  for (Code code : kApiCodes)
    if (http_of(code) == http) return code;
  return http >= 500 ? Code::kInternal : Code::kInvalidArgument;
}

}  // namespace

std::string api_path(const ResourceId& resource, std::string_view ns, std::string_view name, std::string_view subresource) {
  std::string out = resource.group.empty() ? cat("/api/", resource.version) : cat("/apis/", resource.group, "/", resource.version);
  if (!ns.empty()) out += cat("/namespaces/", url_encode(ns));
  out += cat("/", resource.resource);
  if (!name.empty()) out += cat("/", url_encode(name));
  if (!subresource.empty()) out += cat("/", subresource);
  return out;
}

HttpClientRequest create_request(const ResourceId& resource, const std::string& ns, const Document& object, const WriteOptions& options) {
  std::string_view parent = options.subresource.empty() ? std::string_view() : name_of(object);
  return json_request("POST", cat(api_path(resource, ns, parent, options.subresource), query_of(options)), object.bytes());
}

HttpClientRequest update_request(const ResourceId& resource, const ObjectKey& key, const Document& object, const WriteOptions& options) {
  return json_request("PUT", cat(api_path(resource, key.ns, key.name, options.subresource), query_of(options)), object.bytes());
}

HttpClientRequest patch_request(const ResourceId& resource, const ObjectKey& key, PatchType type, const Document& patch, const WriteOptions& options, const std::string& manager) {
  std::string query = query_of(options);
  if (type == PatchType::kApply) query += cat(query.empty() ? "?" : "&", "fieldManager=", url_encode(manager), "&force=true");
  return json_request("PATCH", cat(api_path(resource, key.ns, key.name, options.subresource), query), patch.bytes(), patch_media_type(type));
}

HttpClientRequest remove_request(const ResourceId& resource, const ObjectKey& key, const DeleteOptions& options) {
  Builder b;
  b.root().set("apiVersion", "v1");
  b.root().set("kind", "DeleteOptions");
  if (options.grace_period_s) b.root().set("gracePeriodSeconds", *options.grace_period_s);
  if (!options.propagation.empty()) b.root().set("propagationPolicy", options.propagation);
  if (!options.uid.empty()) b.root().object("preconditions").set("uid", options.uid);
  if (!options.resource_version.empty()) b.root().object("preconditions").set("resourceVersion", options.resource_version);
  return json_request("DELETE", api_path(resource, key.ns, key.name), make_buffer(b.dump()));
}

HttpClientRequest watch_request(const WatchScope& scope, const std::string& resource_version, int64_t timeout_s) {
  std::string query = cat("?watch=true&allowWatchBookmarks=true&timeoutSeconds=", timeout_s);
  if (!scope.field_selector.empty()) query += cat("&fieldSelector=", url_encode(scope.field_selector));
  if (resource_version.empty()) query += "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
  else query += cat("&resourceVersion=", url_encode(resource_version));
  return json_request("GET", cat(api_path(scope.resource, scope.ns), query), nullptr);
}

bool field_selector_takes(std::string_view selector, const Document& object) {
  if (selector.empty()) return true;
  for (std::string_view term : split(selector, ',')) {
    auto parts = cut(term, "=");
    if (!parts) return false;
    Value at = object.root();
    for (std::string_view step : split(parts->first, '.')) at = at[step];
    if (at.str() != parts->second) return false;
  }
  return true;
}

Error error_of_answer(int http_status, std::string_view body) {
  auto status = Document::parse(body);
  if (status.ok() && (*status)["kind"].str() == "Status") {
    std::string message = (*status)["message"].text();
    return Error::with_status(code_of((*status)["reason"].str(), http_status), message.empty() ? cat("the server answered ", http_status) : message, std::string(body));
  }
  std::string text(trim(body.substr(0, 256)));
  return Error(code_of({}, http_status), cat("the server answered ", http_status, text.empty() ? "" : ": ", text));
}

Result<Document> object_of_answer(const HttpResponse& response) {
  if (response.status < 200 || response.status > 299) return error_of_answer(response.status, response.body);
  auto parsed = parse_stored(make_buffer(response.body));
  if (!parsed.ok()) return Error(Code::kInternal, cat("the server's answer: ", parsed.error().message()));
  return parsed;
}

}  // namespace bramble

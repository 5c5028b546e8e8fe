#include "core/apiserver/route.h"

#include "core/base/strings.h"
#include "core/client/request_verb.h"
#include "core/resources/selector.h"

namespace bramble {

namespace {

// The name that a field selector `metadata.name=x` pins; "" otherwise.
std::string name_in_selector(std::string_view text) {
  auto selector = FieldSelector::parse(text);
  if (!selector.ok()) return {};
  for (const FieldSelector::Term& term : selector->terms) {
    if (term.field == "metadata.name" && term.equals) return term.value;
  }
  return {};
}

}  // namespace

RequestInfo route(std::string_view method, std::string_view raw_path, std::string_view raw_query) {
  RequestInfo info;
  info.method = method;
  auto path = percent_decode(raw_path, false);
  info.malformed = !path;
  info.path = path ? std::move(*path) : std::string(raw_path);
  info.verb = lower(method);
  info.query = Query::parse(raw_query);

  if (info.malformed) return info;
  std::vector<std::string> parts;
  for (std::string_view part : split(info.path, '/')) {
    if (!part.empty()) parts.emplace_back(part);
  }
  if (parts.size() < 3 || (parts[0] != "api" && parts[0] != "apis")) return info;
  size_t at = 1;
  if (parts[0] == "apis") {
    if (parts.size() < 4) return info;
    info.group = parts[at++];
  }
  info.resource_request = true;
  info.version = parts[at++];
  info.verb = request_verb(method);

  bool watch_prefix = parts[at] == "watch";
  if (watch_prefix || parts[at] == "proxy") {
    if (at + 1 >= parts.size()) {
      info.resource_request = false;
      info.verb = lower(method);
      return info;
    }
    info.verb = parts[at++];
  }
  if (parts[at] == "namespaces") {
    if (parts.size() > at + 1) {
      info.ns = parts[at + 1];
      // What follows is a resource in the namespace, except the namespace's own subresources.
      if (parts.size() > at + 2 && parts[at + 2] != "status" && parts[at + 2] != "finalize") at += 2;
    }
  }
  info.resource = parts[at++];
  if (at < parts.size()) info.name = parts[at++];
  if (at < parts.size()) info.subresource = parts[at++];
  for (; at < parts.size(); ++at) info.rest.push_back(parts[at]);
  if (info.resource == "namespaces") info.ns = info.name;

  if (info.name.empty() && info.verb == "get") {
    info.verb = info.query.flag("watch") ? "watch" : "list";
    info.name = name_in_selector(info.query.get("fieldSelector"));
  } else if (info.verb == "watch") {
    if (info.name.empty()) info.name = name_in_selector(info.query.get("fieldSelector"));
  } else if (info.name.empty() && info.verb == "delete") {
    info.verb = "deletecollection";
  }
  return info;
}

}  // namespace bramble

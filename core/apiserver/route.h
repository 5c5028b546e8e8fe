// Stage 1, route: what a request asks for, read from its method and URL alone
// (k8s.io/apiserver/pkg/endpoints/request, RequestInfo). Nothing is looked up here: the resource may not exist. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/apiserver/query.h"

namespace bramble {

struct RequestInfo {
  bool malformed = false;         // a '%' in the path without two hexadecimal digits: Go's server reads no further
  bool resource_request = false;  // under /api/<version> or /apis/<group>/<version>, with a resource
  std::string path;
  std::string method;
  std::string verb;               // get list watch create update patch delete deletecollection or ""; on other paths the method in lower case
  std::string group, version, ns, resource, subresource, name;
  std::vector<std::string> rest;  // path parts after the subresource (proxy)
  Query query;
};

RequestInfo route(std::string_view method, std::string_view raw_path, std::string_view raw_query);

}  // namespace bramble

// The verb that authorization asks about, by the method of an HTTP request that names no collection, watch or proxy
// (Kubernetes, "Authorization", request verbs).
#pragma once

#include <string_view>

namespace bramble {

// "" for a method that has none.
inline std::string_view request_verb(std::string_view method) {
  if (method == "POST") return "create";
  if (method == "GET" || method == "HEAD") return "get";
  if (method == "PUT") return "update";
  if (method == "PATCH") return "patch";
  if (method == "DELETE") return "delete";
  return {};
}

}  // namespace bramble

#include "core/apiserver/object_match.h"

#include "core/registry/api_status.h"

namespace bramble {

Status match_namespace(const Kind& kind, std::string_view ns, Mut object) {
  Mut m = object.object("metadata");
  if (!kind.namespaced) {
    m.remove("namespace");
    return ok();
  }
  std::string_view its = m["namespace"].str();
  if (its == ns) return ok();
  if (!its.empty()) {
    return api_bad_request("the namespace of the provided object does not match the namespace sent on the request");
  }
  m.set("namespace", ns);
  return ok();
}

Status match_name(std::string_view name, Mut object) {
  std::string_view its = object["metadata"]["name"].str();
  if (its.empty()) return api_bad_request("the name of the object (based on URL) was undeterminable: name must be provided");
  if (its == name) return ok();
  return api_bad_request(cat("the name of the object (", its, ") does not match the name on the URL (", name, ")"));
}

}  // namespace bramble

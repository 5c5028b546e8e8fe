// Attributes: what a request wants to do, as authorization sees it. Pure values.
#pragma once

#include <string>

#include "core/apiserver/route.h"

namespace bramble {

struct Attributes {
  bool resource_request = true;
  std::string verb, group, version, resource, subresource, ns, name, path;
  std::string field_selector;  // of a list, watch or deletecollection, as it was written
  static Attributes of(const RequestInfo& info);
};

}  // namespace bramble

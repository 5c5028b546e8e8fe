// /statusz and /flagz: what runs here, and with which flags, for people; as config.k8s.io/v1beta1 and v1alpha1 for programs
// (k8s.io/apiserver/pkg/server/statusz and flagz, on by default since 1.36). Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/apiserver/negotiation.h"

namespace bramble {

struct ComponentFacts {
  std::string version;  // "v1.36.3"
  int64_t started_us = 0, now_us = 0;
  std::vector<std::string> paths;  // as "/" lists them
  std::map<std::string, std::string> flags;
};

struct ComponentPage {
  std::string content_type, body;
  std::string warning;  // header, or ""
};

std::string_view component_kind(std::string_view path);  // "Statusz", "Flagz"; "" of all other paths
// kind: "Statusz" or "Flagz". 406 when the header takes nothing on offer.
Result<ComponentPage> component_page(std::string_view kind, std::string_view accept, const ComponentFacts& facts);

}  // namespace bramble

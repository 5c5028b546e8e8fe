// Where a request for pods/proxy, services/proxy or nodes/proxy goes: the address and port behind an id such as "web",
// "web:8080", "https:web:metrics". Errors in upstream's words (ResourceLocation of each kind's storage). Owner's loop thread.
#pragma once

#include <string>
#include <string_view>

#include "core/registry/registry.h"

namespace bramble {

struct RelayTarget {
  bool tls = false;
  std::string address;  // numeric
  uint16_t port = 0;
  std::string kubelet_of;  // the node whose kubelet's port it is; "" for others
  std::string text() const;  // "10.42.0.5:80", "[fd00::5]:80"
};

// kind: pods, services or nodes. A service's endpoint is chosen at random among those that are pods and ready.
Result<RelayTarget> relay_target(Registry& registry, const Kind& kind, const std::string& ns, std::string_view id);

}  // namespace bramble

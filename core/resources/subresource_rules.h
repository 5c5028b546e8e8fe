// Rules of the subresources that write one part of an object, beside status and finalize (which are in Kind): what such an
// update keeps, and what it may change. Pure; any thread.
#pragma once

#include <string_view>

#include "core/resources/kind.h"

namespace bramble {

struct SubresourceRules {
  void (*prepare)(Mut object, Value old, std::string_view now) = nullptr;
  // Metadata is checked by the registry.
  void (*validate)(Value object, Value old, FieldErrors& errors) = nullptr;
};

// Null: the subresource is none of these.
const SubresourceRules* find_subresource_rules(const Kind& kind, std::string_view subresource);

// pods/ephemeralcontainers, pods/resize: pod_subresources.cc
extern const SubresourceRules kEphemeralContainerRules, kResizeRules;
// certificatesigningrequests/approval: certificatesigningrequest.cc
extern const SubresourceRules kApprovalRules;

}  // namespace bramble

// Setting what a client left out. Strings count as left out when empty (upstream's types are not pointers there),
// numbers and booleans when absent. Pure; any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/json/builder.h"

namespace bramble {

inline void default_text(Mut object, std::string_view key, std::string_view text) {
  if (object[key].str().empty()) object.set(key, text);
}
inline void default_int(Mut object, std::string_view key, int64_t v) {
  if (!object.has(key)) object.set(key, v);
}
inline void default_bool(Mut object, std::string_view key, bool v) {
  if (!object.has(key)) object.set(key, v);
}
inline void default_object(Mut object, std::string_view key) {
  if (!object[key].is_object()) object.object(key);
}

// A list of resource amounts: what is finer than a thousandth is rounded up (core/v1 SetDefaults_ResourceList).
void default_amounts(Mut list);
inline void default_requirements(Mut resources) {
  default_amounts(resources["limits"]);
  default_amounts(resources["requests"]);
}
// A pod spec, as it stands in a Pod or in any template (core/v1 SetDefaults_PodSpec and what hangs below it).
void default_pod_spec(Mut spec);
// What only a Pod gets: requests from limits, enableServiceLinks, host ports.
void default_pod(Mut spec);
void default_probe(Mut probe);
void default_http_get(Mut http_get);
void default_volume(Mut volume);
void default_claim_spec(Mut spec);  // PersistentVolumeClaimSpec

}  // namespace bramble

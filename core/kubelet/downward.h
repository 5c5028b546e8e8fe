// The downward API: a pod's own fields and resources as text, for environment variables and files. Pure.
// (Kubernetes: "Downward API".)
#pragma once

#include <string>
#include <vector>

#include "core/json/value.h"
#include "core/resources/pod_view.h"

namespace bramble {

struct DownwardContext {
  Value pod;
  std::vector<std::string> pod_ips, host_ips;
  std::string node_name;
  ResourceAmounts allocatable;  // stands in for a limit that is not set
};

// fieldPath: "metadata.name", "metadata.labels['x']", "status.podIP", ... kInvalidArgument when it is not supported.
Result<std::string> field_text(const DownwardContext& context, std::string_view field_path);
// resourceFieldRef of `container` (its containerName, when set, names another one).
Result<std::string> resource_text(const DownwardContext& context, Value container, Value resource_field_ref);

}  // namespace bramble

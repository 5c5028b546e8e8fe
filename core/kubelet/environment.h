// A container's environment: service links, envFrom, env with its sources, $(NAME) expansion. Pure functions of values and a
// Snapshot. (Kubernetes: "Define Environment Variables for a Container", "Accessing the Service: Environment Variables".)
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/client/client.h"
#include "core/kubelet/downward.h"

namespace bramble {

// Files of volumes that variables come from (fileKeyRef), by volume and path; those that are not there are left out.
using EnvFiles = std::map<std::pair<std::string, std::string>, std::string>;
using Environment = std::map<std::string, std::string, std::less<>>;

// Of the services of the namespace (when enable_links) and of default/kubernetes.
Environment service_environment(const Snapshot& snapshot, std::string_view ns, bool enable_links);
// kNotFound and kInvalidArgument become CreateContainerConfigError: `configmap "x" not found`, `couldn't find key k in Secret ns/name`.
Result<Environment> container_environment(const Snapshot& snapshot, const DownwardContext& context, Value container, const EnvFiles& files = {});
// The image's "K=V" list with the container's on top, as the runtime takes it.
std::vector<std::string> merge_environment(const std::vector<std::string>& image_env, const Environment& env);

}  // namespace bramble

// The kubelet's arguments and its configuration file (kubelet.config.k8s.io/v1beta1 KubeletConfiguration), as those who know k3s give
// them: --kubelet-arg=NAME=VALUE. Of both, what has a meaning here.
#pragma once

#include "core/app/node.h"
#include "core/json/value.h"

namespace bramble {

// "eviction-hard=memory.available<100Mi", "config=/etc/bramble/kubelet.yaml": arguments win over the file, wherever they stand.
// kInvalidArgument in one line that names the argument. Reads files.
Status read_kubelet_arguments(const std::vector<std::string>& arguments, NodeOptions* n);
// What the file says. unknown: fields that have no meaning here. Pure.
Status read_kubelet_configuration(Value configuration, NodeOptions* n, std::vector<std::string>* unknown);

}  // namespace bramble

// Logs, exec, attach and port-forward of pods on other nodes: the kubelet there is asked, and what it answers handed to the client:
// an upgraded connection byte by byte, a log as it comes, an error as the Status that it stands for. Owner's loop thread.
#pragma once

#include "core/apiserver/respond.h"
#include "core/client/kubelet_connect.h"

namespace bramble {

// target: KubeletPath's.
Task<void> relay_to_kubelet(std::shared_ptr<Request> request, KubeletConnect connect, std::string node, std::string target);

}  // namespace bramble

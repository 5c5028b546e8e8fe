// PodNetwork by somebody else's plugins: the first file, by name, of /etc/cni/net.d, and programs of /opt/cni/bin. What each pod was
// attached by is written down before its first plugin runs, so DEL runs with that configuration and its result also after a crash, and
// when the file has changed or gone since. Blocking; any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cni/pod_network.h"

namespace bramble {

struct PluginNetworkOptions {
  std::string conf_dir = "/etc/cni/net.d";
  std::vector<std::string> plugin_dirs = {"/opt/cni/bin"};
  std::string state_dir;  // "<data-dir>/agent/cni/attachments"
};

// kUnavailable, with containerd's words, while the folder has no configuration.
Result<std::unique_ptr<PodNetwork>> open_plugin_network(PluginNetworkOptions options);

// Another network for pods that come, while those that were attached by plugins before still get their DEL.
std::unique_ptr<PodNetwork> with_attachments(std::unique_ptr<PodNetwork> network, PluginNetworkOptions options);

// Names in `folder` for the plugins that this program is itself, so that configurations may use them where no others are installed.
Status link_own_plugins(const std::string& folder, const std::string& program);

}  // namespace bramble

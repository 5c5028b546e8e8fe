#include "core/app/agent_flags.h"

#include <algorithm>
#include <vector>

#include "core/app/server_flags.h"

namespace bramble {

using Kind = FlagSpec::Kind;

static const FlagSpec kJoinFlags[] = {
    {"server", 's', "BRAMBLE_URL", Kind::kText, "", "Cluster", "the server to join: https://HOST:6443"},
    {"token", 't', "BRAMBLE_TOKEN", Kind::kText, "", "Cluster", "token to join with; not looked at once this machine has joined"},
    {"token-file", 0, "BRAMBLE_TOKEN_FILE", Kind::kText, "", "Cluster", "file that holds the token"},
};

// Of the server's flags those that concern its node.
static bool is_of_nodes(const FlagSpec& s) {
  constexpr std::string_view kGroups[] = {"Config", "Logging", "Node"};
  constexpr std::string_view kNames[] = {"data-dir", "run-dir", "kubelet-root-dir", "pod-log-dir", "disable-kube-proxy"};
  return std::ranges::find(kGroups, s.group) != std::end(kGroups) || std::ranges::find(kNames, s.name) != std::end(kNames);
}

std::span<const FlagSpec> agent_flags() {
  static const std::vector<FlagSpec> all = [] {
    std::vector<FlagSpec> out(std::begin(kJoinFlags), std::end(kJoinFlags));
    std::ranges::copy_if(server_flags(), std::back_inserter(out), is_of_nodes);
    return out;
  }();
  return all;
}

}  // namespace bramble

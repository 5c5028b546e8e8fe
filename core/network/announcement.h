// What this node tells the others by annotations of its Node, under flannel's names, and what it tells users by the condition
// NetworkUnavailable. Pure; any thread.
#pragma once

#include <optional>
#include <string>

#include "core/network/peer_plan.h"
#include "core/resources/conditions.h"

namespace bramble {

inline constexpr const char* kBackendTypeNote = "flannel.alpha.coreos.com/backend-type";
inline constexpr const char* kBackendDataNote = "flannel.alpha.coreos.com/backend-data";
inline constexpr const char* kBackendDataV6Note = "flannel.alpha.coreos.com/backend-v6-data";
inline constexpr const char* kPublicIpNote = "flannel.alpha.coreos.com/public-ip";
inline constexpr const char* kPublicIpV6Note = "flannel.alpha.coreos.com/public-ipv6";
inline constexpr const char* kPublicIpOverwriteNote = "flannel.alpha.coreos.com/public-ip-overwrite";
inline constexpr const char* kPublicIpV6OverwriteNote = "flannel.alpha.coreos.com/public-ipv6-overwrite";
inline constexpr const char* kSubnetManagerNote = "flannel.alpha.coreos.com/kube-subnet-manager";
inline constexpr const char* kMtuNote = "network.bramble/mtu";  // flannel has no name for it

// The merge patch that makes the Node announce this; none when it does already. A family that is absent is taken back.
std::optional<Document> announcement_patch(const Document& node, const std::optional<Announcement>& v4, const std::optional<Announcement>& v6);

// The strategic merge patch that sets one condition of the Node and leaves the others alone; none when it is so already.
std::optional<Document> node_condition_patch(const Document& node, const Condition& wanted, int64_t now_us);

// Why pods of this node cannot reach others; empty: they can.
struct NetworkTrouble {
  std::string reason, message;
};
// NetworkUnavailable, in flannel's words when all is well.
std::optional<Document> condition_patch(const Document& node, const NetworkTrouble& trouble, int64_t now_us);

}  // namespace bramble

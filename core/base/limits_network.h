// Limits of the network between nodes and of CNI plugins; see limits.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bramble::limits {

constexpr int64_t kLinkSettleMs = 100;                // after a change of links or routes: more of them follow
constexpr int64_t kFirewallSettleMs = 1000;           // a firewall that starts writes its rules one by one
constexpr int64_t kCniPluginMs = 120 * 1000;          // some wait for an address by DHCP, or for their daemon
constexpr size_t kCniPluginsMax = 32;                 // of one configuration
constexpr size_t kCniAnswerBytesMax = 1024 * 1024;    // what a plugin may say
constexpr size_t kCniRecordBytesMax = 4 * 1024 * 1024;  // what is kept of an attachment

}  // namespace bramble::limits

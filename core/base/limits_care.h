#pragma once
#include "core/base/limits.h"
namespace bramble::limits {
// apiserver: watches, logs, execs and the like at once: some 41 kB each with its connection; upstream has no such limit
constexpr size_t kStreamsMax = 4000;
constexpr size_t kStreamsOfUserMax = 1500;
// tokens
constexpr int64_t kTokenCacheUs = 10 * 1000000LL;         // a signature found good is not checked again: upstream's figure
constexpr size_t kTokenCacheMax = 1024;                   // some 1 kB each; upstream's 4096
// dns
constexpr int64_t kUpstreamSettleMs = 100;      // resolv.conf is emptied before it is written
// loop
constexpr int64_t kLoopStepUs = 5000;           // a longer one is counted as an overrun
constexpr int64_t kAddressSettleMs = 2000;      // an address that is renewed goes and comes
}  // namespace bramble::limits

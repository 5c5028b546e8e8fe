// The page of limits.h for connections to a server elsewhere: an agent's, and those of its tunnel.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bramble::limits {

constexpr int32_t kHttp2ClientWindowBytes = 4 * 1024 * 1024;  // of answers on one connection that nobody has read yet
constexpr int64_t kPingAfterMs = 30 * 1000;       // of silence (client-go's ReadIdleTimeout)
constexpr int64_t kPingAnswerMs = 15 * 1000;      // then the connection is given up (client-go's PingTimeout)
constexpr unsigned kClientUserTimeoutMs = 30 * 1000;  // what was sent is not acknowledged: the same, told by the kernel
constexpr size_t kApiStreamsMax = 200;                     // on one connection; a server allows 250 (kStreamsPerConnectionMax)
constexpr int64_t kApiConnectMsMin = 250, kApiConnectMsMax = 5000;  // between attempts, growing, with jitter
constexpr int64_t kWatchRetryMsMin = 250, kWatchRetryMsMax = 10 * 1000;
constexpr int64_t kWatchClientSeconds = 300;               // of one watch request; to twice as long (client-go's)
constexpr size_t kWatchLineBytesMax = 6 * 1024 * 1024;   // of one event: an object may be kBodyBytesMax, and its managedFields
constexpr size_t kApiAnswerBytesMax = 6 * 1024 * 1024;   // to a write or a get
constexpr int64_t kApiRequestMs = 34 * 1000;               // upstream's servers take 34 s at most
constexpr int64_t kHeartbeatMs = 10 * 1000;                // as long as the time between two
constexpr int64_t kRemoteGetFreshUs = 2 * 1000 * 1000;     // what was fetched so short ago is not fetched again
constexpr size_t kTunnelStreamsMax = 256;                  // at once through one node's tunnel; as many as connections of a busy kubectl user
constexpr size_t kTunnelWindowBytes = 128 * 1024;          // of one stream in one direction, on the way and not yet read
constexpr size_t kTunnelPieceBytes = 16 * 1024;            // of one message: a TLS record
constexpr int64_t kTunnelPingMs = 30 * 1000;               // of silence; twice as long without an answer ends the tunnel
constexpr int64_t kTunnelRetryMsMin = 250, kTunnelRetryMsMax = 10 * 1000;
constexpr size_t kBalancedConnectionsMax = 256;            // through the agent's own load balancer, at once
constexpr int64_t kObjectsUnknownUs = 1000 * 1000;         // a pod waits so long for what it names before that is told (upstream's)
constexpr int64_t kAgentSyncMs = 10 * 1000;                // at an agent's start, for the state of the cluster

}  // namespace bramble::limits

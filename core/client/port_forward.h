// port-forward in two forms. SPDY/3.1, inside a WebSocket (subprotocol SPDY/3.1+portforward.k8s.io, KEP 4006) as current kubectl
// does it, or by itself as kubectl before 1.31 does: each connection is a pair of streams with one requestID, `error` for a text when it fails, `data` for its
// bytes. Channels of a WebSocket (v4.channel.k8s.io, or none), as client libraries do it: the ports are in the URL, one connection to each.
#pragma once

#include "core/client/remote_command.h"

namespace bramble {

// Upgrades, then serves connections until the client goes.
// ports: of the URL, numbers, also several in one.
Task<void> serve_port_forward(StreamAsk ask, NodeStreams* node, ObjectKey pod, std::vector<std::string> ports);

}  // namespace bramble

// port-forward: SPDY/3.1 inside a WebSocket (subprotocol SPDY/3.1+portforward.k8s.io, KEP 4006), as current kubectl does it.
// Each connection is a pair of streams with one requestID: `error` for a text when it fails, `data` for its bytes.
#pragma once

#include "core/apiserver/respond.h"
#include "core/client/node_streams.h"

namespace bramble {

// Upgrades, then serves connections until the client goes.
Task<void> serve_port_forward(std::shared_ptr<Request> request, NodeStreams* node, ObjectKey pod);

}  // namespace bramble

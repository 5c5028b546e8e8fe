// exec and attach over a WebSocket: channels 0 stdin, 1 stdout, 2 stderr, 3 error (a Status at the end), 4 resize; with
// v5.channel.k8s.io also 255, which half-closes a channel (KEP 4006). The first byte of each message is its channel.
// Or over SPDY/3.1, as kubectl before 1.31 does: a stream for each of error, stdin, stdout, stderr and resize.
#pragma once

#include "core/client/node_streams.h"
#include "core/http/server.h"

namespace bramble {

// Somebody who asks for a stream, at the API's port or the kubelet's. refuse answers what cannot be, in the port's own words.
struct StreamAsk {
  std::shared_ptr<const HttpRequest> http;
  std::shared_ptr<Responder> responder;
  std::function<void(const Error&)> refuse;
};

// Opens the session on the node first, so that its failure is an ordinary HTTP answer; then upgrades and copies until the
// process ends or the client goes.
Task<void> serve_remote_command(StreamAsk ask, NodeStreams* node, ObjectKey pod, ExecOptions options);

// The Status that ends a session: success, a non-zero exit code with its cause, or why it could not run.
std::string exit_status(int exit_code, std::string_view error);

}  // namespace bramble

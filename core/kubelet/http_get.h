// The httpGet action of probes and hooks: where it goes and what is sent. (Kubernetes API: HTTPGetAction.)
#pragma once

#include <string>
#include <vector>

#include "core/http/client.h"
#include "core/loop/socket.h"
#include "core/loop/task.h"
#include "core/json/value.h"

namespace bramble {

struct HttpGet {
  HttpClientTarget target;
  HttpClientRequest request;
  std::string url;  // "http://10.42.0.7:80/healthz", as messages show it
};

// container: its ports have names. purpose: "probe" or "lifecycle", of the user agent. HTTPS asks for no certificate that can be
// checked. kInvalidArgument: no such port.
Result<HttpGet> http_get(Value action, Value container, const std::string& pod_ip, std::string_view purpose);
// A number, or the name of one of the container's ports.
Result<uint16_t> container_port(Value port, Value container);
// A numeric address, or a name, looked up as the node does: all that it has, one at least. Errors read as Go's: "lookup NAME: no
// such host".
Task<Result<std::vector<SocketAddress>>> look_up(std::string host, uint16_t port);
// "10.42.0.7:80", "[fd00::7]:80".
std::string host_and_port(const std::string& host, uint16_t port);

}  // namespace bramble

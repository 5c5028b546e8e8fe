// KubeletConnect: the way to the port of a node's kubelet, wherever the node is: through the node's tunnel, or by its address. What
// is asked over the connection is HTTP/1.1 as upstream's kubelet has it: containerLogs, exec, attach, portForward, pages. The
// connection proves who this server is. Owner's loop thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/client/client.h"
#include "core/client/node_streams.h"
#include "core/http/client.h"

namespace bramble {

// kUnavailable, kTimeout: the node cannot be reached.
using KubeletConnect = std::function<Task<Result<std::unique_ptr<HttpClientConnection>>>(std::string node)>;

// Targets of the kubelet's port, for one container of a pod.
struct KubeletPath {
  ObjectKey pod;
  std::string container;
  std::string log(const LogOptions& options) const;
  std::string command(const ExecOptions& options) const;  // exec, or attach without a command
  std::string port_forward(const std::vector<std::string>& ports) const;
};

// What the kubelet's port is asked for by such a target; the other direction of KubeletPath.
struct KubeletAsk {
  enum Kind { kLog, kExec, kAttach, kPortForward } kind = kLog;
  ObjectKey pod;
  LogOptions log;
  ExecOptions command;
  std::vector<std::string> ports;
};
// Nothing: the path is no stream's. kInvalidArgument: it is, and something in it is wrong.
Result<std::optional<KubeletAsk>> parse_kubelet_path(std::string_view path, std::string_view query);

}  // namespace bramble

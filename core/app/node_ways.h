// NodeWays: how this server reaches the kubelets of other nodes: through a node's tunnel, else by the address that the node tells.
// It shows the server's own certificate, and trusts the authority that signs kubelets alone. Owner's loop thread.
#pragma once

#include <map>
#include <memory>

#include "core/client/kubelet_connect.h"
#include "core/client/remote_readings.h"
#include "core/client/tunnel.h"
#include "core/crypto/tls.h"

namespace bramble {

class NodeWays {
 public:
  // nodes: reads them; outlives it.
  NodeWays(const Snapshot& nodes, std::shared_ptr<TlsClientContext> tls) : nodes_(nodes), tls_(std::move(tls)) {}
  Task<Result<std::unique_ptr<HttpClientConnection>>> connect(std::string node);
  KubeletConnect as_connect() {
    return [this](std::string node) { return connect(std::move(node)); };
  }
  // Null when there is no such node.
  NodeReadings* readings(std::string_view node);
  TunnelHub& tunnels() { return tunnels_; }
  void use_tls(std::shared_ptr<TlsClientContext> tls) { tls_ = std::move(tls); }  // from the next connection on

 private:
  Task<Result<std::unique_ptr<Stream>>> reach(std::string node);

  const Snapshot& nodes_;
  std::shared_ptr<TlsClientContext> tls_;
  TunnelHub tunnels_;
  std::map<std::string, std::unique_ptr<RemoteReadings>, std::less<>> readings_;
};

}  // namespace bramble

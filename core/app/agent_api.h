// AgentApi: what the server's port has for its agents beside the Kubernetes API: the facts of the cluster, their tunnels. Only for holders of a
// node's certificate. Owner's loop thread.
#pragma once

#include <memory>

#include "core/app/cluster_facts.h"
#include "core/client/tunnel_client.h"
#include "core/http/server.h"

namespace bramble {

class AgentApi {
 public:
  // tunnels: outlives it.
  AgentApi(ClusterFacts facts, TunnelHub& tunnels) : facts_(std::move(facts)), tunnels_(tunnels) {}
  static bool takes(std::string_view path);
  Task<void> handle(std::shared_ptr<const HttpRequest> request, std::shared_ptr<Responder> responder);

 private:
  ClusterFacts facts_;
  TunnelHub& tunnels_;
};

// The node that a verified certificate is of; "" when it is none.
std::string node_of_peer(const PeerCertificate& peer);

}  // namespace bramble

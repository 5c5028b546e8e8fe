// Agent: this machine's node in a cluster whose server is elsewhere: its certificates (got by joining, and renewed), the connections
// to the server, what is known of the cluster, and the Node over them. Built in order by run(). It works on while the server is away, and starts while it is away when it has
// been there before: pods are taken care of as they were last known. Owner's loop thread.
#pragma once

#include <memory>
#include <string>

#include "core/app/agent_setup.h"
#include "core/app/cluster_facts.h"
#include "core/client/remote_client.h"
#include "core/client/tunnel_client.h"
#include "core/quarantine/quarantine.h"
#include "provision/join/join.h"

namespace bramble {

class Agent {
 public:
  Agent(AgentSetup setup, Clock& clock, Random& random);
  ~Agent();
  // Waits for what it must know of the cluster, then brings the node up. Errors are one line that says what and what to do.
  Task<Status> start();
  // No more requests from outside. Then offloaded work may be waited for; then it may be destroyed.
  void close_ports();

 private:
  JoinOptions join_options() const;
  Task<Result<NodeCredentials>> join_cluster();
  Result<std::shared_ptr<TlsClientContext>> tls_of(const CertifiedKey& key, std::string alpn) const;
  Status use(const NodeCredentials& renewed);
  Status open_transports();
  Task<Result<ClusterFacts>> learn_facts();
  Task<Result<ClusterFacts>> ask_for_facts();
  void open_apis();
  Status open_node();
  Status open_tunnel();
  Task<Result<std::unique_ptr<Stream>>> dial(std::string name);

  AgentSetup setup_;
  NodeCredentials credentials_;
  Clock& clock_;
  Random& random_;
  std::unique_ptr<Quarantine> quarantine_;
  std::unique_ptr<ApiTransport> api_, heartbeats_, proxy_transport_;
  std::unique_ptr<RemoteApi> node_api_, proxy_api_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<TunnelClient> tunnel_;
  std::unique_ptr<NodeRenewal> renewal_;
  TaskGroup tasks_;
};

}  // namespace bramble

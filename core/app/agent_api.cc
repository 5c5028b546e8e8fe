#include "core/app/agent_api.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/registry/api_status.h"

namespace bramble {

namespace {

void send_json(Responder& responder, int status, std::string body) { responder.send(status, {{"content-type", "application/json"}}, make_buffer(std::move(body))); }

}  // namespace

std::string node_of_peer(const PeerCertificate& peer) {
  constexpr std::string_view kUser = "system:node:";
  bool node = std::find(peer.organizations.begin(), peer.organizations.end(), "system:nodes") != peer.organizations.end();
  return node && peer.common_name.starts_with(kUser) ? peer.common_name.substr(kUser.size()) : std::string();
}

bool AgentApi::takes(std::string_view path) { return path == kClusterFactsPath || path == kTunnelPath; }

Task<void> AgentApi::handle(std::shared_ptr<const HttpRequest> request, std::shared_ptr<Responder> responder) {
  std::string node = node_of_peer(request->peer);
  if (node.empty()) {
    Error refused = status_failure(Code::kUnauthenticated, "Unauthorized");
    co_return send_json(*responder, 401, status_json_of(refused));
  }
  responder->peer_is_known();
  if (request->method != "GET") {
    Error refused = api_method_not_allowed();
    co_return send_json(*responder, 405, status_json_of(refused));
  }
  if (request->path == kTunnelPath) {
    std::vector<std::string> protocols = {std::string(kTunnelProtocol)};
    std::unique_ptr<WebSocket> socket = co_await responder->accept_websocket(protocols);
    if (!socket) co_return;
    log_info("node ", node, ": its tunnel stands");
    co_await tunnels_.serve(node, std::move(socket));
    log_info("node ", node, ": its tunnel is gone");
    co_return;
  }
  send_json(*responder, 200, cluster_facts_text(facts_));
}

}  // namespace bramble

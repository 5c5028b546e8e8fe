#include "core/client/tunnel_client.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/limits_client.h"
#include "core/base/log.h"

namespace bramble {

TunnelClient::TunnelClient(Options options, Random& random) : options_(std::move(options)), random_(random) { tasks_.start(run()); }
TunnelClient::~TunnelClient() = default;

Task<Result<std::unique_ptr<WebSocket>>> TunnelClient::connect() {
  Error why(Code::kUnavailable, "no server is known");
  std::vector<Url> servers = options_.servers();
  for (const Url& server : servers) {
    auto addresses = co_await resolve_host(server.host, options_.names);
    if (!addresses.ok()) {
      why = addresses.error();
      continue;
    }
    for (const std::string& address : *addresses) {
      HttpClientTarget target;
      target.address = address;
      target.port = server.port_or_default();
      target.server_name = server.host;
      target.tls = options_.tls;
      auto connection = co_await HttpClientConnection::open(std::move(target));
      if (!connection.ok()) {
        why = connection.error();
        continue;
      }
      HttpClientRequest request;
      request.target = kTunnelPath;
      request.headers = {{"user-agent", options_.user_agent}};
      std::vector<std::string> protocols = {std::string(kTunnelProtocol)};
      auto socket = co_await HttpClientConnection::websocket(std::move(*connection), std::move(request), std::move(protocols));
      if (socket.ok()) co_return socket;
      why = socket.error();
    }
  }
  co_return why;
}

Task<void> TunnelClient::run() {
  int64_t wait_ms = 0;
  for (;;) {
    auto socket = co_await connect();
    if (socket.ok()) {
      wait_ms = 0;
      log_debug("tunnel: connected");
      tunnel_ = std::make_unique<Tunnel>(std::move(*socket), options_.dial);
      co_await tunnel_->run();
      tunnel_.reset();
    } else {
      log_debug("tunnel: ", socket.error().message());
    }
    wait_ms = std::min(limits::kTunnelRetryMsMax, std::max(limits::kTunnelRetryMsMin, wait_ms * 2));
    co_await sleep_ms(wait_ms / 2 + static_cast<int64_t>(random_.below(static_cast<uint64_t>(wait_ms))));
  }
}

}  // namespace bramble

// TunnelClient: a node's end of the tunnel to a server, made again when it breaks, with growing times between, and jitter. Owner's
// loop thread. Nothing of it survives a crash: the next start makes another.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/base/random.h"
#include "core/client/tunnel.h"
#include "core/http/client.h"
#include "core/http/url.h"
#include "core/loop/resolve.h"

namespace bramble {

inline constexpr std::string_view kTunnelPath = "/v1-bramble/connect";

class TunnelClient {
 public:
  struct Options {
    std::function<std::vector<Url>()> servers;  // the best first; one of them is connected to
    std::shared_ptr<TlsClientContext> tls;      // offers "http/1.1"; the node's certificate
    std::string user_agent;
    ResolveFiles names;
    Tunnel::Dial dial;
  };
  TunnelClient(Options options, Random& random);
  ~TunnelClient();
  void use_tls(std::shared_ptr<TlsClientContext> tls) { options_.tls = std::move(tls); }  // from the next connection on

 private:
  Task<void> run();
  Task<Result<std::unique_ptr<WebSocket>>> connect();

  Options options_;
  Random& random_;
  std::unique_ptr<Tunnel> tunnel_;
  TaskGroup tasks_;
};

}  // namespace bramble

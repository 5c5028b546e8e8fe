// ApiTransport: requests to the API servers as one identity, over HTTP/2 connections that are made when they are needed and made
// again when they break: many watches share one, another is opened when a peer's limit of streams comes near. Between attempts
// to connect there is a time that grows, with jitter, so that the nodes of a cluster do not come back in step; requests within it
// fail at once. Names are resolved at each attempt; servers are tried in the order given. Owner's loop thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/base/random.h"
#include "core/http/http2_client.h"
#include "core/http/url.h"
#include "core/loop/resolve.h"

namespace bramble {

class ApiTransport {
 public:
  struct Options {
    std::function<std::vector<Url>()> servers;  // https://HOST:PORT, the best first
    std::shared_ptr<TlsClientContext> tls;      // offers "h2"
    std::string user_agent;
    ResolveFiles names;
    bool connected_log = false;                 // tells of connections lost and made
  };
  ApiTransport(Options options, Random& random);
  ~ApiTransport();

  // The whole answer; see Http2Client::request. kUnavailable while no server can be reached.
  Task<Result<HttpResponse>> request(HttpClientRequest request, size_t body_bytes_max, int64_t timeout_ms);
  // An answer that is read as it comes.
  Task<Result<std::unique_ptr<Http2Exchange>>> start(HttpClientRequest request);
  // Waits so long, or until a connection is made.
  Task<void> until_connected(int64_t ms);
  bool connected() const;

  // Connections from now on are made with these; those that stand end when what runs on them does.
  void use_tls(std::shared_ptr<TlsClientContext> tls);
  // Ends all connections: this machine's address, or the servers, have changed.
  void reset(const std::string& why);

 private:
  Task<Result<std::shared_ptr<Http2Client>>> acquire();
  Task<void> connect();
  Task<Result<std::unique_ptr<Http2Client>>> connect_to_any();
  std::shared_ptr<Http2Client> find();
  void settled();

  Options options_;
  Random& random_;
  std::vector<std::shared_ptr<Http2Client>> connections_;
  std::vector<std::shared_ptr<Http2Client>> leaving_;  // of an earlier certificate
  bool connecting_ = false, lost_ = true;
  int64_t backoff_ms_ = 0, not_before_us_ = 0;
  Error last_error_{Code::kUnavailable, "not connected yet"};
  std::shared_ptr<Event> changed_ = std::make_shared<Event>();
  TaskGroup tasks_;
};

}  // namespace bramble

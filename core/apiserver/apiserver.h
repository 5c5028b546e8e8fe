// ApiServer: the Kubernetes API over a Registry. One request goes down pipeline.cc:
// route -> authn -> fairness -> in flight -> authz -> (negotiate) -> admission within verbs -> registry; reads and watches from the cache.
//
// Owner's loop thread for everything. Holds nothing that must survive a crash. Parts of the same process use client(): they
// enter at admission with their identity.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/apiserver/authz.h"
#include "core/apiserver/discovery.h"
#include "core/apiserver/fairness.h"
#include "core/apiserver/flow_objects.h"
#include "core/apiserver/health.h"
#include "core/apiserver/impersonation.h"
#include "core/apiserver/in_flight.h"
#include "core/apiserver/part_client.h"
#include "core/apiserver/respond.h"
#include "core/apiserver/tokens.h"
#include "core/apiserver/usage_api.h"
#include "core/apiserver/verbs.h"
#include "core/base/limits.h"
#include "core/client/client.h"
#include "core/client/kubelet_connect.h"
#include "core/client/node_streams.h"
#include "core/http/server.h"
#include "core/registry/registry.h"

namespace bramble {

class ApiServer {
 public:
  struct Options {
    KubeletConnect kubelets;                   // the way to nodes that `streams` and `readings` do not know; may be empty
    TokenKeys tokens;
    std::string server_ca_pem, client_ca_pem;  // served at /cacerts, and to nodes at /v1-bramble/client-ca.crt
    std::string server_address;                // "10.0.0.1:6443"
    std::string git_version = "v1.36.3";       // what /version says
    std::string git_commit, git_tree_state = "archive";
    int64_t build_time_s = 0;
    std::string platform = "linux/amd64";
    // Finds the way to a node's pods, by node name; null when there is none.
    std::function<NodeStreams*(std::string_view node)> streams;
    // The same for what a node measures.
    ReadingsOf readings;
    InFlight::Limits in_flight;
    size_t flow_seats = limits::kReadsInFlightMax + limits::kWritesInFlightMax;  // shared out by fairness.h
    int64_t bookmark_ms = limits::kBookmarkMs;  // between bookmarks of one watch
    // Tests: the parts of this process need their roles' permission for each write, as they would over the network.
    bool authorize_parts = false;
    // What other parts of the process add to /metrics. Called when somebody asks for it; what they use must outlive the ApiServer.
    std::vector<std::function<void(MetricText&)>> metrics;
    std::shared_ptr<Audit> audit;  // null: no audit log
    std::map<std::string, std::string> flags;  // what /flagz says
    std::vector<HealthCheck> checks;  // beside the ApiServer's own: ping, log, and the objects that bootstrap() makes
  };
  ApiServer(Registry& registry, Options options);

  // Creates the system's own objects where they are missing (bootstrap.h). At each start, before requests are served.
  Task<Status> bootstrap();

  // Serves one request to its end.
  Task<void> handle(std::shared_ptr<const HttpRequest> http, std::shared_ptr<Responder> responder);

  // A client for a part of this process. It must not outlive the ApiServer.
  std::unique_ptr<Client> client(Identity identity);

  Registry& registry() { return registry_; }
  TokenIssuer& tokens() { return tokens_; }
  Verbs& verbs() { return verbs_; }
  const Authorizer& authorizer() const { return authorizer_; }

 private:
  using RequestRef = std::shared_ptr<Request>;
  // pipeline.cc
  Result<Identity> identify(Request& request);
  Result<Identity> impersonate(const Request& request);
  // A node's certificate counts as long as the node's name belongs to its key (core/resources/node_key.h).
  Status check_node_key(const Identity& user, const HttpRequest& request) const;
  // From here on the audit log follows the request, if its policy says so.
  void begin_audit(Request& request, bool unauthenticated);
  Task<bool> take_place(RequestRef request);
  Status find_resource(Request& request) const;
  Task<void> serve_resource(RequestRef request);
  Task<void> serve_write(RequestRef request);
  // Whether the asker of an update may also create.
  std::function<Status()> may_create(const Request& request) const;
  // http_writes.cc
  Task<void> serve_create(RequestRef request);
  Task<void> serve_update(RequestRef request);
  Task<void> serve_patch(RequestRef request);
  Task<void> serve_delete(RequestRef request);
  Task<void> serve_delete_collection(RequestRef request);
  // http_reads.cc
  void serve_get(RequestRef request);
  Task<void> serve_list(RequestRef request);
  // service_paths.cc: health, version, discovery, OpenAPI, metrics
  void serve_path(RequestRef request);
  bool serve_discovery(RequestRef request);
  bool serve_openid(Request& request);
  bool serve_joining(Request& request);
  bool serve_component(Request& request);
  std::vector<std::string> all_paths() const;
  void serve_metrics(RequestRef request) const;  // metrics_page.cc
  void serve_slis(RequestRef request) const;
  // pod_streams.cc: logs, exec, attach, port-forward
  Task<void> serve_stream(RequestRef request);

  Registry& registry_;
  Options options_;
  TokenIssuer tokens_;
  Authorizer authorizer_;
  Impersonation impersonation_;
  Verbs verbs_;
  Discovery discovery_;
  InFlight in_flight_;
  RequestMetrics request_metrics_;
  PartCalls part_calls_;
  Fairness fairness_;
  FlowKeeper flow_keeper_;
  std::vector<HealthCheck> checks_;
  HealthCounts health_counts_;
  int64_t started_us_;
  bool bootstrapped_ = false;
  size_t relayed_ = 0;  // requests being handed on to pods, services and nodes
};

}  // namespace bramble

// The proxy subresources of pods, services and nodes: a request is handed on to the address behind them, its answer to the client
// as it comes. Bodies of requests are whole, as everywhere in this server; answers of any length are streamed, and upgraded
// connections carried both ways as they are. What the client proved itself with stays here.
// Upstream: k8s.io/apimachinery/pkg/util/proxy/upgradeaware.go. Owner's loop thread.
#pragma once

#include "core/apiserver/relay_target.h"
#include "core/apiserver/respond.h"
#include "core/client/kubelet_connect.h"

namespace bramble {

// under_way: the requests being handed on now; outlives the task.
// kubelets: the way to a kubelet's port; may be empty.
Task<void> serve_relay(std::shared_ptr<Request> request, Registry* registry, size_t* under_way, KubeletConnect kubelets);
// The second half, once it is known where to.
Task<void> relay_to(std::shared_ptr<Request> request, RelayTarget target, KubeletConnect kubelets);

// The request as it is handed on, to another target.
HttpClientRequest forwarded_request(const Request& request, std::string target);
// Both ways until either side ends. connection: it answered 101, with these headers.
Task<void> carry_upgraded(std::shared_ptr<Request> request, std::unique_ptr<HttpClientConnection> connection, std::vector<Header> headers);

}  // namespace bramble

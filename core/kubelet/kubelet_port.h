// KubeletPort: the kubelet's own port (10250): its pages, and the streams of its pods (containerLogs, exec, attach, portForward). As upstream's kubelet with webhooks for both questions:
// a certificate of the cluster's, or a token that the API vouches for (TokenReview), says who asks; a SubjectAccessReview for the
// node's subresource that the path stands for (stats, metrics, ... else proxy) says whether he may. Nobody is anonymous here.
// Loop thread. (Kubernetes: "Kubelet authentication/authorization"; KEP 2862.)
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/client/node_readings.h"
#include "core/client/node_streams.h"
#include "core/http/server.h"

namespace bramble {

// The subresources of nodes one of which must be allowed for this path, in the order in which they are asked for. Pure.
std::vector<std::string> node_subresources(std::string_view path);

class KubeletPort {
 public:
  // client: as the node; outlives it.
  KubeletPort(Client& client, std::string node_name) : client_(client), node_name_(std::move(node_name)) {}
  // pages, streams: null while the kubelet is not there yet.
  Task<void> handle(std::shared_ptr<const HttpRequest> request, std::shared_ptr<Responder> responder, NodeReadings* pages, NodeStreams* streams);

 private:
  Task<Result<Identity>> identify(std::shared_ptr<const HttpRequest> request);
  Task<Result<bool>> allowed(Identity user, std::string verb, std::string subresource);

  Client& client_;
  std::string node_name_;
};

}  // namespace bramble

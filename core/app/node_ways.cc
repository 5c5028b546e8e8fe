#include "core/app/node_ways.h"

#include "core/base/limits.h"

namespace bramble {

namespace {

constexpr uint16_t kKubeletPort = 10250;

Result<SocketAddress> kubelet_address(const Document& node, std::string_view name) {
  if (!node) return Error(Code::kNotFound, cat("nodes ", go_quote(name), " not found"));
  const int64_t port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"].integer(kKubeletPort);
  for (const char* type : {"InternalIP", "ExternalIP"})
    for (Value a : node["status"]["addresses"].items())
      if (a["type"].str() == type) return SocketAddress::ip(a["address"].str(), static_cast<uint16_t>(port));
  return Error(Code::kUnavailable, cat("no preferred addresses found; known addresses: ", node["status"]["addresses"].dump()));
}

}  // namespace

Task<Result<std::unique_ptr<Stream>>> NodeWays::reach(std::string node) {
  if (tunnels_.has(node)) {
    auto through = co_await tunnels_.open(node, "kubelet");
    co_return through;
  }
  auto address = kubelet_address(nodes_.get(resource_ids::kNodes, "", node), node);
  CO_TRY(address);
  auto stream = co_await Stream::connect(*address, limits::kConnectMs);
  co_return stream;
}

Task<Result<std::unique_ptr<HttpClientConnection>>> NodeWays::connect(std::string node) {
  Task<Result<std::unique_ptr<Stream>>> reaching = reach(node);
  auto stream = co_await reaching;
  CO_TRY(stream);
  HttpClientTarget target;
  target.server_name = node;
  target.tls = tls_;
  auto connection = co_await HttpClientConnection::over(std::move(*stream), std::move(target));
  co_return connection;
}

NodeReadings* NodeWays::readings(std::string_view node) {
  if (!nodes_.get(resource_ids::kNodes, "", node)) {
    if (auto it = readings_.find(node); it != readings_.end()) return it->second.get();  // somebody may be reading by it
    return nullptr;
  }
  auto& slot = readings_[std::string(node)];
  if (!slot) slot = std::make_unique<RemoteReadings>(as_connect(), std::string(node));
  return slot.get();
}

}  // namespace bramble

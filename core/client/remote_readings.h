// RemoteReadings: NodeReadings of a kubelet elsewhere, asked at its port. A sample comes in one piece (kSamplePath), so that its
// window is the kubelet's own. Owner's loop thread.
#pragma once

#include <string>

#include "core/client/kubelet_connect.h"
#include "core/client/node_readings.h"

namespace bramble {

inline constexpr std::string_view kSamplePath = "/v1-bramble/sample";

std::string sample_text(const NodeSample& sample);  // JSON
Result<NodeSample> parse_sample(std::string_view text);

class RemoteReadings final : public NodeReadings {
 public:
  RemoteReadings(KubeletConnect connect, std::string node) : connect_(std::move(connect)), node_(std::move(node)) {}
  Task<Result<NodeSample>> sample() override;
  Task<NodePage> page(std::string method, std::string path, std::string query) override;

 private:
  Task<Result<HttpResponse>> ask(HttpClientRequest request);

  KubeletConnect connect_;
  const std::string node_;
};

}  // namespace bramble

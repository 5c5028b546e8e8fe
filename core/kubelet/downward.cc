#include "core/kubelet/downward.h"

#include <algorithm>

namespace bramble {

namespace {

// key="value" lines, sorted, values quoted as Go does.
std::string map_text(Value map) {
  std::vector<std::string> lines;
  for (auto [key, value] : map.members()) lines.push_back(cat(key, "=", go_quote(value.str())));
  std::sort(lines.begin(), lines.end());
  return join(lines, "\n");
}

}  // namespace

Result<std::string> field_text(const DownwardContext& c, std::string_view path) {
  PodView pod(c.pod);
  if (path == "metadata.name") return std::string(pod.name());
  if (path == "metadata.namespace") return std::string(pod.ns());
  if (path == "metadata.uid") return std::string(pod.uid());
  if (path == "metadata.labels") return map_text(pod.labels());
  if (path == "metadata.annotations") return map_text(pod.annotations());
  for (const char* map : {"labels", "annotations"}) {
    std::string prefix = cat("metadata.", map, "['");
    if (path.starts_with(prefix) && path.ends_with("']")) return pod.metadata()[map][path.substr(prefix.size(), path.size() - prefix.size() - 2)].text();
  }
  if (path == "spec.nodeName") return c.node_name;
  if (path == "spec.serviceAccountName") return std::string(pod.service_account());
  if (path == "status.hostIP") return c.host_ips.empty() ? std::string() : c.host_ips[0];
  if (path == "status.hostIPs") return join(c.host_ips, ",");
  if (path == "status.podIP") return c.pod_ips.empty() ? std::string() : c.pod_ips[0];
  if (path == "status.podIPs") return join(c.pod_ips, ",");
  return Error(Code::kInvalidArgument, cat("unsupported fieldPath: ", path));
}

Result<std::string> resource_text(const DownwardContext& c, Value container, Value ref) {
  std::string_view other = ref["containerName"].str();
  if (!other.empty()) container = PodView(c.pod).container(other);
  if (!container) return Error(Code::kInvalidArgument, cat("container ", other, " not found"));
  std::string_view resource = ref["resource"].str();
  auto parts = cut(resource, ".");
  if (!parts || (parts->first != "limits" && parts->first != "requests")) return Error(Code::kInvalidArgument, cat("Unsupported container resource : ", resource));
  std::string_view name = parts->second;
  std::optional<Quantity> amount;
  Value text = container["resources"][parts->first][name];
  if (text) {
    TRY_ASSIGN(amount, Quantity::parse(text.str()));
  } else if (parts->first == "limits") {
    auto it = c.allocatable.find(name);
    if (it != c.allocatable.end()) amount = it->second;
  }
  if (!amount) return std::string("0");
  Quantity divisor = Quantity::of(1);
  if (ref["divisor"] && ref["divisor"].str() != "0") {
    TRY_ASSIGN(divisor, Quantity::parse(ref["divisor"].str()));
  }
  // Rounded up, cpu by thousandths.
  bool milli = name == "cpu";
  int64_t n = milli ? amount->milli() : amount->value(), d = milli ? divisor.milli() : divisor.value();
  if (d <= 0) d = 1;
  return cat(n / d + (n % d > 0 ? 1 : 0));
}

}  // namespace bramble

#include "core/app/node_flags.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/strings.h"
#include "core/resources/names.h"
#include "core/resources/node_labels.h"

namespace bramble {
namespace {

Error wrong(std::string_view flag, std::string_view value, std::string_view why) {
  return Error(Code::kInvalidArgument, cat("flag --", flag, ": ", go_quote(value), ": ", why));
}

Status judge(std::string_view flag, std::string_view value, const std::vector<std::string>& wrongs) {
  return wrongs.empty() ? ok() : Status(wrong(flag, value, wrongs.front()));
}

Status check_taint(const std::string& text) {
  auto parts = split(text, ':');
  if (parts.size() != 2) return wrong("node-taint", text, "invalid taint spec, it is not like key=value:NoSchedule");
  constexpr std::string_view kEffects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute"};
  if (std::find(std::begin(kEffects), std::end(kEffects), parts[1]) == std::end(kEffects))
    return wrong("node-taint", text, cat("invalid taint effect: ", parts[1], ", unsupported taint effect; take NoSchedule, PreferNoSchedule or NoExecute"));
  auto pair = split(parts[0], '=');
  if (pair.size() > 2) return wrong("node-taint", text, "invalid taint spec, it is not like key=value:NoSchedule");
  TRY(judge("node-taint", text, check_qualified_name(pair[0])));
  return pair.size() == 2 ? judge("node-taint", text, check_label_value(pair[1])) : ok();
}

}  // namespace

Status check_node_name(const std::string& name) { return judge("node-name", name, check_dns1123_subdomain(name)); }

Status check_node_labels(const std::vector<std::string>& labels) {
  for (const std::string& label : labels) {
    auto pair = cut(label, "=");
    if (!pair) return wrong("node-label", label, "malformed pair, it is not like key=value");
    TRY(judge("node-label", label, check_qualified_name(pair->first)));
    TRY(judge("node-label", label, check_label_value(pair->second)));
    if (is_restriction_label(pair->first) || (is_kubernetes_label(pair->first) && !is_kubelet_label(pair->first)))
      return wrong("node-label", label, "a node may not give itself this label of kubernetes.io or k8s.io; take a prefix of your own or node.kubernetes.io, or label it with kubectl");
  }
  return ok();
}

Status check_node_taints(const std::vector<std::string>& taints) {
  for (const std::string& taint : taints) TRY(check_taint(taint));
  return ok();
}

Status check_cluster_domain(const std::string& domain) { return judge("cluster-domain", domain, check_dns1123_subdomain(domain)); }

Status check_cluster_ranges(const IpPrefix& pods, const IpPrefix& services, int node_bits) {
  if (pods.contains(services) || services.contains(pods))
    return Error(Code::kInvalidArgument, cat("flag --service-cidr: ", services.text(), " overlaps --cluster-cidr ", pods.text(), "; the two must be apart"));
  if (pods.length > node_bits)
    return Error(Code::kInvalidArgument, cat("flag --cluster-cidr: ", pods.text(), " is too small: each node takes a /", node_bits, " of it"));
  if (node_bits > 30 || node_bits - pods.length > 16)  // as upstream's range allocator
    return Error(Code::kInvalidArgument, cat("flag --kube-controller-manager-arg: node-cidr-mask-size ", node_bits, " of ", pods.text(), ": take one between ", pods.length, " and ",
                                             std::min(30, pods.length + 16)));
  return ok();
}

Result<std::string> parse_node_address(const std::string& text) {
  auto address = IpPrefix::parse(text);
  if (!address || address->v6 || text.find('/') != std::string::npos) return wrong("node-ip", text, "is not an IPv4 address");
  return address->address_text();
}

Status check_external_address(const std::string& text) {
  auto address = IpPrefix::parse(text);
  return address && text.find('/') == std::string::npos ? ok() : Status(wrong("node-external-ip", text, "is not an address"));
}

Status check_flannel_backend(const std::string& backend) {
  if (backend == "vxlan" || backend == "host-gw" || backend == "none") return ok();
  return wrong("flannel-backend", backend, "is not known; take vxlan, host-gw or none");
}

Status check_node_address(const std::string& text) {
  auto address = IpPrefix::parse(text);
  const unsigned char* bytes = address ? address->bytes : nullptr;
  if (!bytes) return wrong("node-ip", text, "is not an IPv4 address");
  if (bytes[0] == 127) return wrong("node-ip", text, "can't be loopback address");
  if (bytes[0] >= 224) return wrong("node-ip", text, "can't be a multicast address");
  if (bytes[0] == 169 && bytes[1] == 254) return wrong("node-ip", text, "can't be a link-local unicast address");
  if (text == "0.0.0.0") return wrong("node-ip", text, "can't be an all zeros address");
  return ok();
}

Status check_own_address(const std::string& address) {
  TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
  TRY_ASSIGN(auto present, rt.addresses());
  for (const auto& [index, prefix] : present)
    if (prefix.address_text() == address) return ok();
  return wrong("node-ip", address, "not found in the host's network interfaces; see: ip -4 address");
}

}  // namespace bramble

#include "core/apiserver/relay_target.h"

#include <arpa/inet.h>

#include "core/base/strings.h"
#include "core/registry/api_status.h"

namespace bramble {

namespace {

struct Id {
  std::string scheme, name, port;
};

// "name", "name:port", "scheme:name:port".
std::optional<Id> parse_id(std::string_view text) {
  std::vector<std::string> parts;
  for (std::string_view part : split(text, ':')) parts.emplace_back(part);
  Id id;
  if (parts.size() == 1) id = {"", parts[0], ""};
  else if (parts.size() == 2) id = {"", parts[0], parts[1]};
  else if (parts.size() == 3) id = {parts[0], parts[1], parts[2]};
  else return std::nullopt;
  const bool known = id.scheme.empty() || id.scheme == "http" || id.scheme == "https";
  if (id.name.empty() || !known) return std::nullopt;
  return id;
}

// Nobody gets to the server's own loopback or link by way of an address that a pod or node claims.
bool may_be_reached(const std::string& address) {
  in_addr v4;
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) {
    const uint32_t a = ntohl(v4.s_addr);
    return a != 0 && a != 0xffffffff && (a >> 24) != 127 && (a >> 16) != 0xa9fe && (a >> 28) != 0xe;
  }
  in6_addr v6;
  if (inet_pton(AF_INET6, address.c_str(), &v6) != 1 || IN6_IS_ADDR_V4MAPPED(&v6)) return false;
  return !IN6_IS_ADDR_UNSPECIFIED(&v6) && !IN6_IS_ADDR_LOOPBACK(&v6) && !IN6_IS_ADDR_MULTICAST(&v6) && !IN6_IS_ADDR_LINKLOCAL(&v6);
}

Result<RelayTarget> target_of(const Id& id, std::string_view address, std::string_view port) {
  RelayTarget out;
  out.tls = id.scheme == "https";
  out.address = std::string(address);
  if (port.empty()) port = out.tls ? "443" : "80";
  if (port == "http") port = "80";
  if (port == "https") port = "443";
  auto number = parse_uint64(port);
  if (!number) return status_failure(Code::kUnavailable, cat("error trying to reach service: dial tcp: lookup tcp/", port, ": unknown port"));
  if (*number > 65535) return status_failure(Code::kUnavailable, cat("error trying to reach service: dial tcp: address ", port, ": invalid port"));
  out.port = static_cast<uint16_t>(*number);
  return out;
}

Result<RelayTarget> pod_target(Registry& registry, const Kind& kind, const std::string& ns, const Id& id) {
  Document pod = registry.get(kind, ns, id.name);
  if (!pod) return api_not_found({"", "pods"}, id.name);
  std::string port = id.port;
  for (Value c : pod["spec"]["containers"].items()) {
    if (port.empty() && c["ports"].size() > 0) port = cat(c["ports"].item(0)["containerPort"].integer());
  }
  const std::string address = pod["status"]["podIPs"].item(0)["ip"].text();
  if (!may_be_reached(address)) return api_bad_request("address not allowed");
  return target_of(id, address, port);
}

bool is_pods_own(Registry& registry, const std::string& ns, Value endpoint) {
  Value ref = endpoint["targetRef"], ready = endpoint["conditions"]["ready"];
  if (!ref || ref["namespace"].str() != ns || (ready.exists() && !ready.boolean())) return false;
  Document pod = registry.get(*find_kind("", "v1", "pods"), ns, ref["name"].str());
  for (Value ip : pod["status"]["podIPs"].items()) {
    if (ip["ip"].str() == endpoint["addresses"].item(0).str()) return true;
  }
  return false;
}

// The slices of a service, those of its first family first.
std::vector<Document> slices_of(Registry& registry, const Document& service) {
  std::vector<Document> first, others;
  std::string_view family = service["spec"]["ipFamilies"].item(0).str();
  registry.cache().view().range(registry_prefix(*find_kind("discovery.k8s.io", "v1", "endpointslices"), namespace_of(service)), "", 0, [&](const EntryRef& entry) {
    const Document& slice = entry->document;
    if (slice["metadata"]["labels"]["kubernetes.io/service-name"].str() != name_of(service)) return true;
    (slice["addressType"].str() == family ? first : others).push_back(slice);
    return true;
  });
  first.insert(first.end(), others.begin(), others.end());
  return first;
}

Result<RelayTarget> service_target(Registry& registry, const Kind& kind, const std::string& ns, const Id& id, std::string_view whole_id) {
  Document service = registry.get(kind, ns, id.name);
  if (!service) return api_not_found({"", "services"}, id.name);
  std::string port_name = id.port;
  if (auto number = parse_int64(id.port)) {
    bool found = false;
    for (Value port : service["spec"]["ports"].items()) {
      if (found || port["port"].integer() != *number) continue;
      port_name = port["name"].text();
      found = true;
    }
    if (!found) return status_failure(Code::kUnavailable, cat("no service port ", *number, " found for service ", go_quote(id.name)));
  }
  std::vector<Document> slices = slices_of(registry, service);
  if (slices.empty()) return status_failure(Code::kUnavailable, cat("no endpoints available for service ", go_quote(id.name)));
  for (const Document& slice : slices) {
    Value endpoints = slice["endpoints"];
    if (endpoints.size() == 0) continue;
    for (Value port : slice["ports"].items()) {
      if (port["name"].str() != port_name) continue;
      const size_t start = registry.random().below(endpoints.size());
      for (size_t i = 0; i < endpoints.size(); ++i) {
        Value endpoint = endpoints.item((start + i) % endpoints.size());
        if (is_pods_own(registry, ns, endpoint)) return target_of(id, endpoint["addresses"].item(0).str(), cat(port["port"].integer()));
      }
    }
  }
  return status_failure(Code::kUnavailable, cat("no endpoints available for service ", go_quote(whole_id)));
}

// Without a port, or with the kubelet's own, to the kubelet.
Result<RelayTarget> node_target(Registry& registry, const Kind& kind, const Id& id) {
  Document node = registry.get(kind, "", id.name);
  if (!node) return api_not_found({"", "nodes"}, id.name);
  std::string address;
  for (const char* type : {"InternalIP", "ExternalIP"}) {
    for (Value a : node["status"]["addresses"].items()) {
      if (address.empty() && a["type"].str() == type) address = a["address"].text();
    }
  }
  if (address.empty()) return api_plain(cat("no preferred addresses found; known addresses: ", node["status"]["addresses"].dump()));
  const std::string kubelet_port = cat(node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"].integer(10250));
  if (id.port.empty() || id.port == kubelet_port) {
    auto kubelet = target_of({"https", id.name, kubelet_port}, address, kubelet_port);
    if (kubelet.ok()) kubelet->kubelet_of = id.name;
    return kubelet;
  }
  if (!may_be_reached(address)) return api_bad_request("address not allowed");
  return target_of(id, address, id.port);
}

}  // namespace

std::string RelayTarget::text() const {
  return address.find(':') == std::string::npos ? cat(address, ":", port) : cat("[", address, "]:", port);
}

Result<RelayTarget> relay_target(Registry& registry, const Kind& kind, const std::string& ns, std::string_view id_text) {
  auto id = parse_id(id_text);
  if (!id) return api_bad_request(cat("invalid ", kind.singular, " request ", go_quote(id_text)));
  if (kind.resource == "pods") return pod_target(registry, kind, ns, *id);
  if (kind.resource == "services") return service_target(registry, kind, ns, *id, id_text);
  return node_target(registry, kind, *id);
}

}  // namespace bramble

// Zone: what the cluster's DNS knows, an immutable value that the owner hands to the DNS thread. Answers follow the Kubernetes
// "DNS-Based Service Discovery" specification 1.1.0.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/client/client.h"
#include "core/dns/message.h"

namespace bramble {

struct DnsPort {
  std::string name, protocol;  // "http", "tcp"; lower case
  uint16_t port = 0;
};

struct DnsEndpoint {
  std::string address;
  std::string host;  // the first label of its own name: hostname, else the address with dashes
  std::vector<DnsPort> ports;
};

struct DnsService {
  std::vector<std::string> addresses;   // cluster addresses
  std::vector<DnsPort> ports;
  std::vector<DnsEndpoint> endpoints;   // of a headless Service
  std::string external_name;            // of type ExternalName
};

// Endpoints are looked at for headless Services alone.
DnsService dns_service(Value service, const std::vector<Document>& slices);

class Zone {
 public:
  explicit Zone(std::string domain) : domain_(std::move(domain)) {}
  // A copy with one Service put in (or, with null, taken out); services are shared between copies.
  std::shared_ptr<const Zone> with(const ObjectKey& key, std::shared_ptr<const DnsService> service) const;
  void put(const ObjectKey& key, std::shared_ptr<const DnsService> service);
  // Until the cluster's Services are known no name of it is said not to be there.
  void is_whole(bool yes) { whole_ = yes; }

  // The answer to a name of the cluster, nothing for a name that is not ours to answer. An ExternalName is followed as far as it stays
  // in the cluster; DnsAnswer::chase tells where it leaves.
  std::optional<DnsAnswer> answer(const DnsQuery& query) const;

 private:
  std::optional<DnsAnswer> answer_once(const DnsQuery& query) const;
  DnsAnswer answer_service(const DnsQuery& query, const std::vector<std::string_view>& labels) const;
  DnsAnswer answer_pod(const DnsQuery& query, const std::vector<std::string_view>& labels) const;
  std::optional<DnsAnswer> answer_reverse(const DnsQuery& query) const;
  DnsAnswer nothing(bool name_exists) const;
  std::string service_name(const ObjectKey& key) const { return cat(key.name, ".", key.ns, ".svc.", domain_); }
  void add_names(const ObjectKey& key, const DnsService& service);

  std::string domain_;
  bool whole_ = true;
  std::map<ObjectKey, std::shared_ptr<const DnsService>> services_;
  std::map<std::string, int> namespaces_;           // of services, how many
  std::map<std::string, std::string> reverse_;      // address -> name
};

}  // namespace bramble

#include "core/dns/zone.h"

#include <arpa/inet.h>

#include <algorithm>
#include <functional>
#include <set>

namespace bramble {
namespace {

constexpr int kChaseMax = 8;    // ExternalNames of the cluster one behind the other
constexpr uint32_t kTtl_s = 5;  // as CoreDNS's kubernetes plugin: right within moments of a change

std::string dashed(std::string_view address) {
  std::string out(address);
  for (char& c : out)
    if (c == '.' || c == ':') c = '-';
  return out;
}

// As the kernel writes it, so that texts can be compared; "" when it is none.
std::string canonical_address(const std::string& text) {
  unsigned char raw[16];
  char out[INET6_ADDRSTRLEN];
  for (int family : {AF_INET, AF_INET6})
    if (inet_pton(family, text.c_str(), raw) == 1) return inet_ntop(family, raw, out, sizeof out);
  return {};
}

uint16_t address_type(std::string_view address) { return address.find(':') == std::string_view::npos ? dns_type::kA : dns_type::kAaaa; }

bool wanted(uint16_t asked, uint16_t type) { return asked == type || asked == dns_type::kAny; }

void add_address(const DnsQuery& q, std::string_view name, std::string_view address, std::vector<DnsRecord>* out) {
  uint16_t type = address_type(address);
  if (wanted(q.type, type)) out->push_back({std::string(name), type, kTtl_s, dns_address(address)});
}

// The address that a name below in-addr.arpa or ip6.arpa stands for; "" for others (RFC 1035 section 3.5, RFC 3596 section 2.5).
std::string reversed_address(std::string_view name) {
  constexpr std::string_view kV4 = ".in-addr.arpa", kV6 = ".ip6.arpa";
  const bool v6 = name.ends_with(kV6);
  if (!v6 && !name.ends_with(kV4)) return {};
  std::vector<std::string_view> parts = split(name.substr(0, name.size() - (v6 ? kV6 : kV4).size()), '.');
  std::reverse(parts.begin(), parts.end());
  if (parts.size() != (v6 ? 32u : 4u)) return {};
  std::string text;
  for (size_t i = 0; i < parts.size(); i++) {
    if (v6 && parts[i].size() != 1) return {};
    if (i > 0 && (!v6 || i % 4 == 0)) text += v6 ? ":" : ".";
    text += parts[i];
  }
  return canonical_address(text);
}

// SRV records of the ports that are asked for: of the service's own address, or of each endpoint by its own name. Their targets'
// addresses come along. All have the same chance, out of 100 (CoreDNS plugin/backend_lookup.go, SRV). False: there is no such port.
bool add_srv_records(const DnsQuery& query, const DnsService& s, const std::string& name, const std::function<bool(const DnsPort&)>& asked, DnsAnswer* out) {
  struct Record {
    uint16_t port;
    std::string target;
    std::vector<std::string> addresses;
  };
  std::vector<Record> records;
  for (const DnsPort& p : s.ports)
    if (!s.addresses.empty() && asked(p)) records.push_back({p.port, name, s.addresses});
  for (const DnsEndpoint& e : s.endpoints)
    for (const DnsPort& p : e.ports)
      if (asked(p)) records.push_back({p.port, cat(e.host, ".", name), {e.address}});
  if (!wanted(query.type, dns_type::kSrv)) return !records.empty();
  uint16_t weight = records.empty() ? 0 : static_cast<uint16_t>(std::max<size_t>(100 / records.size(), 1));
  std::set<std::string> told;
  for (const Record& r : records) {
    out->answers.push_back({query.name, dns_type::kSrv, kTtl_s, dns_srv(0, weight, r.port, r.target)});
    for (const std::string& a : r.addresses)
      if (told.insert(cat(r.target, " ", a)).second) out->additional.push_back({r.target, address_type(a), kTtl_s, dns_address(a)});
  }
  return !records.empty();
}

}  // namespace

DnsService dns_service(Value service, const std::vector<Document>& slices) {
  DnsService out;
  Value spec = service["spec"];
  if (spec["type"].str() == "ExternalName") {
    out.external_name = lower(spec["externalName"].str());
    while (!out.external_name.empty() && out.external_name.back() == '.') out.external_name.pop_back();
    return out;
  }
  for (Value p : spec["ports"].items())
    out.ports.push_back({lower(p["name"].str()), lower(p["protocol"].str("TCP")), static_cast<uint16_t>(p["port"].integer())});
  if (spec["clusterIP"].str() != "None") {
    for (Value a : spec["clusterIPs"].items()) out.addresses.push_back(a.text());
    if (out.addresses.empty() && !spec["clusterIP"].str().empty()) out.addresses.push_back(spec["clusterIP"].text());
    return out;
  }
  for (const Document& slice : slices) {
    if (slice["addressType"].str() == "FQDN") continue;
    std::vector<DnsPort> ports;
    for (Value p : slice["ports"].items())
      ports.push_back({lower(p["name"].str()), lower(p["protocol"].str("TCP")), static_cast<uint16_t>(p["port"].integer())});
    for (Value e : slice["endpoints"].items()) {
      if (!e["conditions"]["ready"].boolean(true)) continue;
      for (Value a : e["addresses"].items()) {
        std::string host = lower(e["hostname"].str());
        out.endpoints.push_back({a.text(), host.empty() ? dashed(a.str()) : host, ports});
      }
    }
  }
  return out;
}

void Zone::add_names(const ObjectKey& key, const DnsService& service) {
  std::string name = service_name(key);
  for (const std::string& a : service.addresses) reverse_[canonical_address(a)] = name;
  for (const DnsEndpoint& e : service.endpoints) reverse_[canonical_address(e.address)] = cat(e.host, ".", name);
}

void Zone::put(const ObjectKey& key, std::shared_ptr<const DnsService> service) {
  auto old = services_.find(key);
  if (old != services_.end()) {
    for (const std::string& a : old->second->addresses) reverse_.erase(canonical_address(a));
    for (const DnsEndpoint& e : old->second->endpoints) reverse_.erase(canonical_address(e.address));
    if (--namespaces_[key.ns] == 0) namespaces_.erase(key.ns);
    services_.erase(old);
  }
  if (!service) return;
  add_names(key, *service);
  namespaces_[key.ns]++;
  services_[key] = std::move(service);
}

std::shared_ptr<const Zone> Zone::with(const ObjectKey& key, std::shared_ptr<const DnsService> service) const {
  auto next = std::make_shared<Zone>(*this);
  next->put(key, std::move(service));
  return next;
}

DnsAnswer Zone::nothing(bool name_exists) const {
  DnsAnswer out;
  out.rcode = name_exists ? dns_rcode::kNoError : dns_rcode::kNameError;
  out.authority.push_back({domain_, dns_type::kSoa, kTtl_s, dns_soa(cat("ns.dns.", domain_), cat("hostmaster.", domain_), 1, kTtl_s)});
  return out;
}

std::optional<DnsAnswer> Zone::answer(const DnsQuery& query) const {
  std::optional<DnsAnswer> out = answer_once(query);
  if (!out) return out;
  for (int i = 0; i < kChaseMax && !out->chase.empty(); i++) {
    DnsQuery on = query;
    on.name = out->chase;
    std::optional<DnsAnswer> next = answer_once(on);
    if (!next) return out;
    out->answers.insert(out->answers.end(), next->answers.begin(), next->answers.end());
    out->authority = std::move(next->authority);
    out->rcode = next->rcode;
    out->chase = std::move(next->chase);
  }
  // Names that lead to each other end here, as they are.
  if (!out->chase.empty() && out->answers.size() > static_cast<size_t>(kChaseMax)) out->chase.clear();
  return out;
}

std::optional<DnsAnswer> Zone::answer_once(const DnsQuery& query) const {
  if (auto reverse = answer_reverse(query)) return reverse;
  if (query.name != domain_ && !query.name.ends_with("." + domain_)) return std::nullopt;
  if (!whole_) {
    DnsAnswer out;
    out.rcode = dns_rcode::kServerFailure;
    out.authoritative = false;
    return out;
  }
  if (query.name == domain_) {
    DnsAnswer out = nothing(true);
    if (wanted(query.type, dns_type::kSoa)) out.answers.swap(out.authority);
    return out;
  }
  std::string_view rest = std::string_view(query.name).substr(0, query.name.size() - domain_.size() - 1);
  std::vector<std::string_view> labels = split(rest, '.');
  if (rest == "dns-version") {
    DnsAnswer out;
    if (!wanted(query.type, dns_type::kTxt)) return nothing(true);
    out.answers.push_back({query.name, dns_type::kTxt, kTtl_s, dns_txt("1.1.0")});
    return out;
  }
  if (labels.back() == "svc") return answer_service(query, labels);
  if (labels.back() == "pod") return answer_pod(query, labels);
  return nothing(false);
}

// labels: [_port, _proto,] [host,] service, namespace, "svc".
DnsAnswer Zone::answer_service(const DnsQuery& query, const std::vector<std::string_view>& labels) const {
  size_t n = labels.size();
  if (n == 1) return nothing(true);
  std::string ns(labels[n - 2]);
  if (n == 2) return nothing(namespaces_.contains(ns));
  auto found = services_.find({ns, std::string(labels[n - 3])});
  if (found == services_.end()) return nothing(false);
  const DnsService& s = *found->second;
  std::string name = service_name(found->first);
  DnsAnswer out;
  if (!s.external_name.empty()) {
    if (n != 3) return nothing(false);
    out.answers.push_back({query.name, dns_type::kCname, kTtl_s, dns_name(s.external_name)});
    if (query.type == dns_type::kA || query.type == dns_type::kAaaa) out.chase = s.external_name;
    return out;
  }
  if (n == 3) {
    for (const std::string& a : s.addresses) add_address(query, query.name, a, &out.answers);
    for (const DnsEndpoint& e : s.endpoints) add_address(query, query.name, e.address, &out.answers);
    // An SRV question for the service itself lists all of its ports, as CoreDNS does.
    add_srv_records(query, s, name, [](const DnsPort&) { return true; }, &out);
    bool exists = !s.addresses.empty() || !s.endpoints.empty();
    return out.answers.empty() ? nothing(exists) : out;
  }
  if (n == 4) {
    bool exists = false;
    for (const DnsEndpoint& e : s.endpoints) {
      if (e.host != labels[0]) continue;
      exists = true;
      add_address(query, query.name, e.address, &out.answers);
    }
    return out.answers.empty() ? nothing(exists) : out;
  }
  if (n != 5 || labels[0].size() < 2 || labels[0][0] != '_' || labels[1].size() < 2 || labels[1][0] != '_') return nothing(false);
  std::string_view port_name = labels[0].substr(1), protocol = labels[1].substr(1);
  bool exists = add_srv_records(query, s, name, [&](const DnsPort& p) { return p.name == port_name && p.protocol == protocol; }, &out);
  return out.answers.empty() ? nothing(exists) : out;
}

// labels: "1-2-3-4", namespace, "pod".
DnsAnswer Zone::answer_pod(const DnsQuery& query, const std::vector<std::string_view>& labels) const {
  size_t n = labels.size();
  if (n < 3) return nothing(true);
  if (n != 3) return nothing(false);
  std::string address(labels[0]);
  bool v4 = std::count(address.begin(), address.end(), '-') == 3 && address.find_first_not_of("0123456789-") == std::string::npos;
  for (char& c : address)
    if (c == '-') c = v4 ? '.' : ':';
  if (dns_address(address).empty()) return nothing(false);
  DnsAnswer out;
  add_address(query, query.name, address, &out.answers);
  return out.answers.empty() ? nothing(true) : out;
}

std::optional<DnsAnswer> Zone::answer_reverse(const DnsQuery& query) const {
  std::string address = reversed_address(query.name);
  if (address.empty()) return std::nullopt;
  auto it = reverse_.find(address);
  if (it == reverse_.end()) return std::nullopt;
  if (!wanted(query.type, dns_type::kPtr)) return nothing(true);
  DnsAnswer out;
  out.answers.push_back({query.name, dns_type::kPtr, kTtl_s, dns_name(it->second)});
  return out;
}

}  // namespace bramble

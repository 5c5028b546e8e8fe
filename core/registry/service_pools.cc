#include "core/registry/service_pools.h"

#include <algorithm>
#include <optional>
#include <set>

#include "core/registry/api_status.h"
#include "core/resources/service_allocation.h"

namespace bramble {

namespace {

std::optional<uint32_t> parse_ipv4(std::string_view text) {
  uint32_t out = 0;
  std::vector<std::string_view> parts = split(text, '.');
  if (parts.size() != 4) return std::nullopt;
  for (std::string_view part : parts) {
    auto n = parse_uint64(part);
    if (!n || *n > 255 || part.size() > 3) return std::nullopt;
    out = out << 8 | static_cast<uint32_t>(*n);
  }
  return out;
}

std::string ipv4_text(uint32_t ip) { return cat(ip >> 24, ".", ip >> 16 & 255, ".", ip >> 8 & 255, ".", ip & 255); }

std::string protocol_of(std::string_view p) { return p.empty() ? "TCP" : std::string(p); }

// The lower band of a range is left to those who ask for a certain value, as upstream does (KEP 3070, KEP 3668).
uint32_t static_band(uint32_t size, uint32_t band_max) {
  uint32_t band = std::clamp<uint32_t>(size / 16, 16, band_max);
  return size <= band ? 0 : band;
}

template <class Table, class Key>
void add(Table& table, const Key& key, int by) {
  auto it = table.try_emplace(key, 0).first;
  it->second += by;
  if (it->second <= 0) table.erase(it);
}

}  // namespace

ServicePools::Hold::~Hold() {
  for (uint32_t ip : ips_) add(taken_->ips, ip, -1);
  for (const PortKey& port : ports_) add(taken_->ports, port, -1);
}

ServicePools::ServicePools(std::string_view cidr, std::string_view dns_address, int port_first, int port_last,
                           Random& random)
    : port_first_(port_first), port_last_(port_last), random_(random) {
  auto parts = cut(cidr, "/");
  CHECK(parts.has_value(), cidr);
  auto ip = parse_ipv4(parts->first);
  auto bits = parse_uint64(parts->second);
  CHECK(ip && bits && *bits >= 8 && *bits <= 30, cidr);
  size_ = 1u << (32 - *bits);
  base_ = *ip & ~(size_ - 1);
  dns_ = parse_ipv4(dns_address).value_or(0);
  if (dns_ != 0) taken_->ips[dns_] = 1;
}

Status ServicePools::assign(Mut service, Value old, Hold& hold, FieldErrors& errors) {
  normalize_service(service, old, "IPv4");
  auto parsed = Document::parse(std::string_view(service.dump()));
  TRY(parsed);
  for (const AllocationNeed& need : allocation_needs(parsed->root(), old)) {
    if (need.what == AllocationNeed::What::kClusterIp) {
      TRY(give_address(service, need, hold, errors));
    } else {
      TRY(give_port(service, need, hold, errors));
    }
  }
  return ok();
}

Status ServicePools::give_address(Mut service, const AllocationNeed& need, Hold& hold, FieldErrors& errors) {
  uint32_t ip = 0;
  if (need.address.empty()) {
    ip = free_address();
    if (ip == 0) return api_internal("failed to allocate a serviceIP: range is full");
  } else {
    auto wanted = parse_ipv4(need.address);
    if (!wanted) return ok();  // validation speaks of it
    ip = *wanted;
    std::string_view why;
    bool is_dns = ip == dns_ && service["metadata"]["namespace"].str() == "kube-system" && taken_->ips[ip] == 1;
    if (ip <= base_ || ip >= base_ + size_ - 1) {
      why = "the provided network does not match the current range";
    } else if (taken_->ips.contains(ip) && !is_dns) {
      why = "provided IP is already allocated";
    }
    if (!why.empty()) {
      errors.invalid_raw(Path("spec").at("clusterIPs"), cat("[\"", need.address, "\"]"),
                         cat("failed to allocate IP ", need.address, ": ", why));
      return ok();
    }
  }
  add(taken_->ips, ip, 1);
  hold.ips_.push_back(ip);
  apply_allocation(service, need, ipv4_text(ip), 0);
  return ok();
}

Status ServicePools::give_port(Mut service, const AllocationNeed& need, Hold& hold, FieldErrors& errors) {
  bool health = need.what == AllocationNeed::What::kHealthCheckNodePort;
  std::string protocol = health ? "TCP" : protocol_of(need.protocol);
  int port = need.port;
  if (port == 0) {
    // One port number of TCP and UDP gets one node port, where it can.
    int preferred = 0;
    std::vector<Mut> ports = service["spec"]["ports"].items();
    for (size_t i = 0; !health && i < ports.size() && need.index < ports.size(); ++i) {
      if (ports[i]["port"].integer() == ports[need.index]["port"].integer() && ports[i]["nodePort"].integer() != 0) {
        preferred = static_cast<int>(ports[i]["nodePort"].integer());
      }
    }
    port = free_port(protocol, preferred);
    if (port == 0) return api_internal("failed to allocate a nodePort: range is full");
  } else {
    Path at = health ? Path("spec").at("healthCheckNodePort") : Path("spec").at("ports").at(need.index).at("nodePort");
    bool mine = std::find(hold.ports_.begin(), hold.ports_.end(), PortKey{protocol, port}) != hold.ports_.end();
    if (port < port_first_ || port > port_last_) {
      errors.invalid(at, static_cast<int64_t>(port),
                     cat("provided port is not in the valid range. The range of valid ports is ", port_first_, "-", port_last_));
      return ok();
    }
    if (mine) return ok();
    if (taken_->ports.contains({protocol, port})) {
      errors.invalid(at, static_cast<int64_t>(port), "provided port is already allocated");
      return ok();
    }
  }
  add(taken_->ports, PortKey{protocol, port}, 1);
  hold.ports_.push_back({protocol, port});
  apply_allocation(service, need, "", port);
  return ok();
}

uint32_t ServicePools::free_address_in(uint32_t first, uint32_t count) const {
  if (count == 0) return 0;
  uint32_t start = static_cast<uint32_t>(random_.below(count));
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t ip = base_ + first + (start + i) % count;
    if (!taken_->ips.contains(ip)) return ip;
  }
  return 0;
}

uint32_t ServicePools::free_address() const {
  uint32_t usable = size_ - 2, band = static_band(usable, 256);
  uint32_t ip = free_address_in(1 + band, usable - band);
  return ip != 0 ? ip : free_address_in(1, band);
}

int ServicePools::free_port(const std::string& protocol, int preferred) const {
  if (preferred != 0 && !taken_->ports.contains({protocol, preferred})) return preferred;
  uint32_t all = static_cast<uint32_t>(port_last_ - port_first_ + 1), band = static_band(all, 128);
  for (int pass = 0; pass < 2; ++pass) {
    uint32_t first = pass == 0 ? band : 0, width = pass == 0 ? all - band : band;
    if (width == 0) continue;
    uint32_t start = static_cast<uint32_t>(random_.below(width));
    for (uint32_t i = 0; i < width; ++i) {
      int candidate = port_first_ + static_cast<int>(first + (start + i) % width);
      if (!taken_->ports.contains({protocol, candidate})) return candidate;
    }
  }
  return 0;
}

void ServicePools::count(Value service, int by) {
  Value spec = service["spec"];
  if (spec["type"].str() != "ExternalName") {
    if (auto ip = parse_ipv4(spec["clusterIP"].str())) add(taken_->ips, *ip, by);
  }
  std::set<PortKey> seen;
  for (Value port : spec["ports"].items()) {
    PortKey key{protocol_of(port["protocol"].str()), static_cast<int>(port["nodePort"].integer())};
    if (key.second != 0 && seen.insert(key).second) add(taken_->ports, key, by);
  }
  int64_t health = spec["healthCheckNodePort"].integer();
  if (health != 0) add(taken_->ports, PortKey{"TCP", static_cast<int>(health)}, by);
}

void ServicePools::note(Value before, Value after) {
  if (after) count(after, 1);
  if (before) count(before, -1);
}

}  // namespace bramble

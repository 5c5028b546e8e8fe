#include "core/proxy/proxy.h"

#include <algorithm>

#include "cni/netlink/netns.h"
#include "cni/netlink/rtnetlink.h"
#include "core/base/limits.h"
#include "core/base/log.h"

namespace bramble {
namespace {

constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";

ObjectKey service_of(const ResourceId& resource, const Document& d) {
  if (resource == resource_ids::kServices) return {std::string(namespace_of(d)), std::string(name_of(d))};
  return {std::string(namespace_of(d)), d["metadata"]["labels"][kServiceNameLabel].text()};
}

// The Service's part of a port key.
ObjectKey service_of_port(const std::string& key) {
  std::string_view k = key;
  size_t slash = k.find('/'), colon = k.find(':');
  return {std::string(k.substr(0, slash)), std::string(k.substr(slash + 1, colon - slash - 1))};
}

}  // namespace

Proxy::Proxy(Options options, Client& client)
    : options_(std::move(options)),
      client_(client),
      timer_(std::make_unique<Timer>([this] { sync(); })),
      health_([this](const ObjectKey& service, uint16_t port, const Error& why) { health_failed(service, port, why); }) {
  options_.network.service_range = options_.service_range;
  if (options_.clock) recorder_.emplace(client_, *options_.clock, "kube-proxy", options_.node_name);
}
Proxy::~Proxy() = default;

Status Proxy::start() {
  auto range = IpPrefix::parse(options_.service_range);
  if (!range) return Error(Code::kInvalidArgument, cat("service addresses ", options_.service_range, ": not a range"));
  TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
  TRY_ASSIGN(auto lo, rt.find_link("lo"));
  TRY(rt.set_up(lo->index));
  // Addresses of services never leave by a wire: a route through lo makes them reachable without a default route, and
  // translation happens before routing is asked again.
  TRY(rt.add_route(range->network(), std::nullopt, lo->index));
  subscription_ = client_.subscribe({resource_ids::kServices, resource_ids::kEndpointSlices, resource_ids::kNodes}, [this](const Change& c) { on_change(c); });
  TRY_ASSIGN(NftWatch table, NftWatch::open(options_.network.table));
  table_.emplace(std::move(table));
  table_watch_ = std::make_unique<FdWatch>(table_->fd(), FdWatch::kReadable, [this](int) { look_at_table(); });
  rewrite_ = true;
  TRY(bring_up_to_date());
  look_at_table();
  return ok();
}

void Proxy::look_at_table() {
  if (!table_->changed()) return;
  rewrite_ = true;
  int64_t now_us = Loop::current().now_us();
  if (now_us - mended_us_ > 2 * limits::kProxyRetryMsMax * 1000) mend_ms_ = 0;
  mended_us_ = now_us + mend_ms_ * 1000;
  log_warning("proxy: somebody changed the nftables table ", options_.network.table, "; it is written again", mend_ms_ ? cat(" in ", mend_ms_, " ms") : std::string());
  if (!timer_->armed()) timer_->arm_ms(mend_ms_);
  mend_ms_ = mend_ms_ == 0 ? limits::kProxyRetryMsMin : std::min(2 * mend_ms_, limits::kProxyRetryMsMax);
}

Status Proxy::down() {
  subscription_.reset();
  table_watch_.reset();
  table_.reset();
  timer_->disarm();
  NftBatch batch(options_.network.table);
  batch.add_table();
  batch.delete_table();
  TRY(batch.commit());
  installed_.clear();
  health_.clear();
  auto range = IpPrefix::parse(options_.service_range);
  TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
  TRY_ASSIGN(auto lo, rt.find_link("lo"));
  return range && lo ? rt.remove_route(range->network(), lo->index) : ok();
}

void Proxy::on_change(const Change& change) {
  if (change.resource == resource_ids::kNodes) {
    if (change.after && name_of(change.after) == options_.node_name) on_node(change.after);
    return;
  }
  if (change.resource == resource_ids::kEndpointSlices) on_slice(change.before, change.after);
  if (change.before) dirty_.insert(service_of(change.resource, change.before));
  if (change.after) dirty_.insert(service_of(change.resource, change.after));
  soon();
}

void Proxy::on_slice(const Document& before, const Document& after) {
  if (before) {
    auto it = slices_.find(service_of(resource_ids::kEndpointSlices, before));
    if (it != slices_.end() && it->second.erase(std::string(name_of(before))) && it->second.empty()) slices_.erase(it);
  }
  if (after) slices_[service_of(resource_ids::kEndpointSlices, after)].emplace(name_of(after));
}

void Proxy::on_node(const Document& node) {
  ProxyNode now = proxy_node(options_.node_name, node);
  if (now.zone == node_.zone && now.addresses == node_.addresses) return;
  node_ = std::move(now);
  client_.snapshot().each(resource_ids::kServices, "", [&](const Document& d) {
    dirty_.insert(service_of(resource_ids::kServices, d));
    return true;
  });
  soon();
}

void Proxy::soon() {
  if (!timer_->armed()) timer_->arm_ms(0);
}

void Proxy::sync() {
  Status s = bring_up_to_date();
  if (s.ok()) {
    backoff_ms_ = 0;
    return look_at_table();
  }
  // Something in the table is not what we think: write all of it again.
  rewrite_ = true;
  backoff_ms_ = backoff_ms_ == 0 ? limits::kProxyRetryMsMin : std::min(2 * backoff_ms_, limits::kProxyRetryMsMax);
  log_warning("proxy: ", s.error().message(), "; again in ", backoff_ms_, " ms");
  timer_->arm_ms(backoff_ms_);
}

ServicePorts Proxy::wanted_ports(const ObjectKey& service) {
  Document d = client_.snapshot().get(resource_ids::kServices, service.ns, service.name);
  if (!d) {
    health_.set(service, {});
    return {};
  }
  std::vector<Document> slices;
  auto names = slices_.find(service);
  if (names != slices_.end())
    for (const std::string& name : names->second)
      if (Document slice = client_.snapshot().get(resource_ids::kEndpointSlices, service.ns, name)) slices.push_back(slice);
  auto about = [&d] { return Quarantine::about(d); };  // not the slices: they change whenever a pod does
  Quarantine::Step step(options_.quarantine, "proxy", Quarantine::key_of("services", d), about);
  if (!step.allowed()) return {};
  health_.set(service, health_of_service(d.root(), slices, node_));
  ServicePorts ports = ports_of_service(d.root(), slices, node_);
  for (auto& [key, port] : ports) std::erase(port.cluster_addresses, options_.network.own_address);
  return ports;
}

void Proxy::health_failed(const ObjectKey& service, uint16_t port, const Error& why) {
  std::string message = cat("node ", options_.node_name, " failed to start healthcheck \"", service.text(), "\" on port ", port, ": ", why.message());
  log_warning("proxy: ", message);
  Document d = client_.snapshot().get(resource_ids::kServices, service.ns, service.name);
  if (recorder_ && d) recorder_->record({d, "Warning", "FailedToStartServiceHealthcheck", message, {}, {}});
}

static std::vector<std::string> claims_of(const ServicePort& port) {
  std::vector<std::string> out;
  for (const auto* list : {&port.cluster_addresses, &port.external_addresses, &port.balancer_addresses})
    for (const std::string& a : *list) out.push_back(cat(a, "/", port.protocol, "/", port.port));
  if (port.node_port) out.push_back(cat("node/", port.protocol, "/", port.node_port));
  if (port.on_host) out.push_back(cat("node/", port.protocol, "/", port.port));
  return out;
}

// An address and port belongs to one service port; whoever comes second goes without it until it is free.
void Proxy::settle_claims(const std::string& key, ServicePort* port) {
  auto claim = [&](const std::string& what) {
    auto [it, fresh] = claims_.emplace(what, key);
    if (!fresh && it->second != key) denied_.insert(service_of_port(key));
    return it->second == key;
  };
  for (auto* list : {&port->cluster_addresses, &port->external_addresses, &port->balancer_addresses})
    std::erase_if(*list, [&](const std::string& a) { return !claim(cat(a, "/", port->protocol, "/", port->port)); });
  if (port->node_port && !claim(cat("node/", port->protocol, "/", port->node_port))) port->node_port = 0;
  if (port->on_host && !claim(cat("node/", port->protocol, "/", port->port))) port->on_host = false;
}

// What the port had and does not want any more is for whoever waits.
void Proxy::release_claims(const std::string& key, const ServicePort& before, const ServicePort* after) {
  std::vector<std::string> kept = after ? claims_of(*after) : std::vector<std::string>();
  bool released = false;
  for (const std::string& what : claims_of(before)) {
    if (std::find(kept.begin(), kept.end(), what) != kept.end()) continue;
    auto it = claims_.find(what);
    if (it == claims_.end() || it->second != key) continue;
    claims_.erase(it);
    released = true;
  }
  if (!released) return;
  dirty_.insert(denied_.begin(), denied_.end());
  denied_.clear();
}

void Proxy::Counts::split(std::vector<std::string>* added, std::vector<std::string>* removed) const {
  for (const auto& [address, by] : change) {
    auto it = now.find(address);
    int was = it == now.end() ? 0 : it->second;
    if (was == 0 && was + by > 0) added->push_back(address);
    if (was > 0 && was + by == 0) removed->push_back(address);
  }
}

void Proxy::Counts::settle() {
  for (const auto& [address, by] : change) {
    int& n = now[address];
    n += by;
    if (n == 0) now.erase(address);
  }
  change.clear();
}

void Proxy::count(const std::vector<std::string>& addresses, int by, Counts* counts) {
  for (const std::string& a : addresses) counts->change[a] += by;
}

// Everything is to be written again: nothing is installed, all is dirty.
void Proxy::take_all() {
  installed_.clear();
  claims_.clear();
  denied_.clear();
  slices_.clear();  // what is dirty stays: a Service that is gone ends its health check
  hairpins_ = cluster_addresses_ = {};
  node_ = proxy_node(options_.node_name, client_.snapshot().get(resource_ids::kNodes, "", options_.node_name));
  client_.snapshot().each(resource_ids::kServices, "", [&](const Document& d) {
    dirty_.insert(service_of(resource_ids::kServices, d));
    return true;
  });
  client_.snapshot().each(resource_ids::kEndpointSlices, "", [&](const Document& d) {
    on_slice({}, d);
    return true;
  });
}

void Proxy::plan_service(const ObjectKey& service, Turns* turns) {
  ServicePorts wanted = wanted_ports(service);
  std::string prefix = cat(service.ns, "/", service.name, ":");
  for (auto it = installed_.lower_bound(prefix); it != installed_.end() && it->first.starts_with(prefix); ++it)
    turns->try_emplace(it->first, Turn{it->second, it->second});
  for (auto it = turns->lower_bound(prefix); it != turns->end() && it->first.starts_with(prefix); ++it) {
    Turn& turn = it->second;
    auto next = wanted.find(it->first);
    if (turn.after) release_claims(it->first, *turn.after, next == wanted.end() ? nullptr : &next->second);
    turn.after.reset();
  }
  for (auto& [key, port] : wanted) {
    settle_claims(key, &port);
    (*turns)[key].after = std::move(port);
  }
}

void Proxy::write(const Turns& turns, NftBatch* batch) {
  auto pointer = [](const std::optional<ServicePort>& p) { return p ? &*p : nullptr; };
  for (const auto& [key, turn] : turns) release_entries(key, pointer(turn.before), pointer(turn.after), batch);
  for (const auto& [key, turn] : turns) {
    ObjectKey service = service_of_port(key);
    auto about = [&] { return Quarantine::about(client_.snapshot().get(resource_ids::kServices, service.ns, service.name)); };
    Quarantine::Step step(options_.quarantine, "proxy", Quarantine::key_of("services", service.ns, service.name), about);
    change_port(key, pointer(turn.before), pointer(turn.after), options_.network, batch);
  }
  for (const auto& [key, turn] : turns) add_entries(key, pointer(turn.before), pointer(turn.after), batch);
  for (const auto& [key, turn] : turns) {
    for (int by : {-1, 1}) {
      const ServicePort* port = pointer(by < 0 ? turn.before : turn.after);
      if (!port) continue;
      for (const auto* list : {&port->endpoints, &port->local_endpoints})
        for (const ProxyEndpoint& e : *list) hairpins_.change[e.address] += by;
      count(port->cluster_addresses, by, &cluster_addresses_);
    }
  }
  std::vector<std::string> added, removed;
  hairpins_.split(&added, &removed);
  change_hairpins(added, removed, batch);
  added.clear(), removed.clear();
  cluster_addresses_.split(&added, &removed);
  change_cluster_addresses(added, removed, batch);
}

Status Proxy::bring_up_to_date() {
  // What is to be in the table is not known: what an earlier process wrote stands.
  if (rewrite_ && options_.known && !options_.known()) return ok();
  NftBatch batch(options_.network.table);
  if (rewrite_) {
    TRY(add_frame(options_.network, &batch));
    take_all();
  }
  Turns turns;
  // Releasing a claim may add those who waited for it.
  while (!dirty_.empty()) {
    ObjectKey service = *dirty_.begin();
    dirty_.erase(dirty_.begin());
    plan_service(service, &turns);
  }
  std::erase_if(turns, [](const auto& t) { return t.second.before == t.second.after; });
  write(turns, &batch);
  TRY(table_->commit(&batch));
  hairpins_.settle();
  cluster_addresses_.settle();
  rewrite_ = false;
  for (auto& [key, turn] : turns) {
    flows_.changed(turn.before ? &*turn.before : nullptr, turn.after ? &*turn.after : nullptr);
    if (turn.after) installed_[key] = std::move(*turn.after);
    else installed_.erase(key);
  }
  return ok();
}

}  // namespace bramble

#include "core/proxy/proxy.h"

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
    : options_(std::move(options)), client_(client), timer_(std::make_unique<Timer>([this] { sync(); })) {}
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
  subscription_ = client_.subscribe({resource_ids::kServices, resource_ids::kEndpointSlices}, [this](const Change& c) { on_change(c); });
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
  auto range = IpPrefix::parse(options_.service_range);
  TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
  TRY_ASSIGN(auto lo, rt.find_link("lo"));
  return range && lo ? rt.remove_route(range->network(), lo->index) : ok();
}

void Proxy::on_change(const Change& change) {
  if (change.before) dirty_.insert(service_of(change.resource, change.before));
  if (change.after) dirty_.insert(service_of(change.resource, change.after));
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
  if (!d) return {};
  std::vector<Document> slices;
  client_.snapshot().each(resource_ids::kEndpointSlices, service.ns, [&](const Document& slice) {
    if (slice["metadata"]["labels"][kServiceNameLabel].str() == service.name) slices.push_back(slice);
    return true;
  });
  auto about = [&d] { return Quarantine::about(d); };  // not the slices: they change whenever a pod does
  Quarantine::Step step(options_.quarantine, "proxy", Quarantine::key_of("services", d), about);
  return step.allowed() ? ports_of_service(d.root(), slices) : ServicePorts();
}

// Of a Service that is set aside nothing is wanted, so nothing of it comes here.
void Proxy::write_change(const std::string& key, const ServicePort* before, const ServicePort* after, NftBatch* batch) {
  ObjectKey service = service_of_port(key);
  auto about = [&] { return Quarantine::about(client_.snapshot().get(resource_ids::kServices, service.ns, service.name)); };
  Quarantine::Step step(options_.quarantine, "proxy", Quarantine::key_of("services", service.ns, service.name), about);
  change_port(key, before, after, options_.network, batch);
}

// An address and port belongs to one service port; whoever comes second goes without it until it is free.
void Proxy::settle_claims(const std::string& key, ServicePort* port) {
  auto claim = [&](const std::string& what) {
    auto [it, fresh] = claims_.emplace(what, key);
    if (!fresh && it->second != key) denied_.insert(service_of_port(key));
    return it->second == key;
  };
  std::erase_if(port->addresses, [&](const std::string& a) { return !claim(cat(a, "/", port->protocol, "/", port->port)); });
  if (port->node_port && !claim(cat("node/", port->protocol, "/", port->node_port))) port->node_port = 0;
}

void Proxy::release_claims(const std::string& key) {
  size_t released = std::erase_if(claims_, [&](const auto& c) { return c.second == key; });
  if (released == 0 || denied_.empty()) return;
  dirty_.insert(denied_.begin(), denied_.end());
  denied_.clear();
}

void Proxy::count_hairpins(const ServicePort* before, const ServicePort* after, std::map<std::string, int>* counts) const {
  if (before)
    for (const ProxyEndpoint& e : before->endpoints) (*counts)[e.address]--;
  if (after)
    for (const ProxyEndpoint& e : after->endpoints) (*counts)[e.address]++;
}

Status Proxy::bring_up_to_date() {
  NftBatch batch(options_.network.table);
  ServicePorts next = installed_;
  if (rewrite_) {
    TRY(add_frame(options_.network, &batch));
    next.clear();
    claims_.clear();
    denied_.clear();
    dirty_.clear();
    client_.snapshot().each(resource_ids::kServices, "", [&](const Document& d) {
      dirty_.insert(service_of(resource_ids::kServices, d));
      return true;
    });
  }
  const ServicePorts before = rewrite_ ? ServicePorts() : installed_;
  std::map<std::string, int> counts = rewrite_ ? std::map<std::string, int>() : hairpins_;
  const std::map<std::string, int> counts_before = counts;
  std::set<ObjectKey> done;
  // Releasing a claim may add those who waited for it; each service is looked at once in a pass.
  while (!dirty_.empty()) {
    ObjectKey service = *dirty_.begin();
    dirty_.erase(dirty_.begin());
    if (!done.insert(service).second) continue;
    ServicePorts wanted = wanted_ports(service);
    std::string prefix = cat(service.ns, "/", service.name, ":");
    for (auto it = next.lower_bound(prefix); it != next.end() && it->first.starts_with(prefix);) {
      release_claims(it->first);
      it = wanted.contains(it->first) ? std::next(it) : next.erase(it);
    }
    for (auto& [key, port] : wanted) {
      settle_claims(key, &port);
      next[key] = std::move(port);
    }
  }
  auto find = [](const ServicePorts& ports, const std::string& key) {
    auto it = ports.find(key);
    return it == ports.end() ? nullptr : &it->second;
  };
  // What goes away goes first, so that an address may move from one Service to another in one transaction.
  for (const auto& [key, port] : before) {
    const ServicePort* after = find(next, key);
    if (after && *after == port) continue;
    write_change(key, &port, nullptr, &batch);
    count_hairpins(&port, nullptr, &counts);
  }
  for (const auto& [key, port] : next) {
    const ServicePort* old = find(before, key);
    if (old && *old == port) continue;
    write_change(key, nullptr, &port, &batch);
    count_hairpins(nullptr, &port, &counts);
  }
  std::vector<std::string> added, removed;
  for (const auto& [address, n] : counts) {
    auto old = counts_before.find(address);
    bool was = old != counts_before.end() && old->second > 0;
    if (n > 0 && !was) added.push_back(address);
    if (n == 0 && was) removed.push_back(address);
  }
  change_hairpins(added, removed, &batch);
  TRY(table_->commit(&batch));
  std::erase_if(counts, [](const auto& c) { return c.second == 0; });
  hairpins_ = std::move(counts);
  installed_ = std::move(next);
  rewrite_ = false;
  return ok();
}

}  // namespace bramble

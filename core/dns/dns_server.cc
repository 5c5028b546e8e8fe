#include "core/dns/dns_server.h"

#include <fcntl.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/unique_fd.h"
#include "core/dns/dns_thread.h"
#include "core/dns/resolv_conf.h"

namespace bramble {
namespace {

constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";

std::string read_resolv_conf(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char buf[8192];
  ssize_t n = fd.valid() ? ::read(fd.get(), buf, sizeof buf) : 0;
  return n > 0 ? std::string(buf, static_cast<size_t>(n)) : std::string();
}

constexpr uint16_t kDnsPort = 53;
// systemd-resolved's stub would ask us back; its real servers stand in a file of its own.
constexpr const char* kResolvedServers = "/run/systemd/resolve/resolv.conf";

std::vector<SocketAddress> find_upstreams(const std::string& path, const std::string& self) {
  auto servers = upstream_servers(read_resolv_conf(path), self);
  if (servers.empty()) servers = upstream_servers(read_resolv_conf(kResolvedServers), self);
  std::vector<SocketAddress> out;
  for (const std::string& server : servers)
    if (auto address = SocketAddress::ip(server, kDnsPort); address.ok()) out.push_back(*address);
  return out;
}

}  // namespace

DnsServer::DnsServer(Options options, Client& client)
    : options_(std::move(options)), client_(client), zone_(std::make_shared<const Zone>(options_.domain)), timer_([this] {
        auto dirty = std::move(dirty_);
        dirty_.clear();
        refresh(dirty);
      }) {}
DnsServer::~DnsServer() = default;

Status DnsServer::start() {
  watch_ = std::make_unique<UpstreamWatch>(std::vector<std::string>{options_.resolv_conf, kResolvedServers}, [this] {
    auto upstreams = find_upstreams(options_.resolv_conf, options_.address);
    log_info("dns: ", options_.resolv_conf, " changed: ", upstreams.size(), " name servers outside of the cluster");
    thread_->forward_to(std::move(upstreams));
  });
  TRY_ASSIGN(thread_, DnsThread::start(options_.address, options_.port, find_upstreams(options_.resolv_conf, options_.address)));
  subscription_ = client_.subscribe({resource_ids::kServices, resource_ids::kEndpointSlices}, [this](const Change& c) {
    for (const Document& d : {c.before, c.after}) {
      if (!d) continue;
      bool service = c.resource == resource_ids::kServices;
      std::string name = service ? std::string(name_of(d)) : d["metadata"]["labels"][kServiceNameLabel].text();
      dirty_.insert({std::string(namespace_of(d)), std::move(name)});
    }
    if (!timer_.armed()) timer_.arm_ms(0);
  });
  std::set<ObjectKey> all;
  client_.snapshot().each(resource_ids::kServices, "", [&](const Document& d) {
    all.insert({std::string(namespace_of(d)), std::string(name_of(d))});
    return true;
  });
  refresh(all);
  return ok();
}

void DnsServer::refresh_one(const ObjectKey& key, Zone* zone) const {
  Document service = client_.snapshot().get(resource_ids::kServices, key.ns, key.name);
  if (!service) return zone->put(key, nullptr);
  std::vector<Document> slices;
  if (service["spec"]["clusterIP"].str() == "None") {
    client_.snapshot().each(resource_ids::kEndpointSlices, key.ns, [&](const Document& s) {
      if (s["metadata"]["labels"][kServiceNameLabel].str() == key.name) slices.push_back(s);
      return true;
    });
  }
  auto about = [&service] { return Quarantine::about(service); };  // not the slices: they change whenever a pod does
  Quarantine::Step step(options_.quarantine, "dns", Quarantine::key_of("services", service), about);
  zone->put(key, step.allowed() ? std::make_shared<const DnsService>(dns_service(service.root(), slices)) : nullptr);
}

void DnsServer::refresh(const std::set<ObjectKey>& services) {
  auto next = std::make_shared<Zone>(*zone_);
  next->is_whole(!options_.known || options_.known());
  for (const ObjectKey& key : services) refresh_one(key, next.get());
  zone_ = next;
  thread_->use(zone_);
}

}  // namespace bramble

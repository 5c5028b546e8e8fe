#include "core/proxy/taken_ports.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <iterator>

#include "cni/netlink/rtnetlink.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/json/builder.h"
#include "core/loop/loop.h"

namespace bramble {
namespace {

// ::ffff:0:0/96 as this machine prints it.
const std::string_view kMapped = std::endian::native == std::endian::little ? "FFFF0000" : "0000FFFF";

bool is_balanced(const Document& service) { return service && service["spec"]["type"].str() == "LoadBalancer"; }

uint32_t hex_number(std::string_view text) { return static_cast<uint32_t>(std::strtoul(std::string(text).c_str(), nullptr, 16)); }

// Whether others than this host and its services' clients reach what is bound there. The kernel prints each 4 bytes as a number of
// this machine's order.
bool reaches_out(std::string_view address, std::string_view service_range) {
  if (address.size() == 32) {
    bool mapped = address.substr(16, 8) == kMapped;
    if (!mapped) return address != "00000000000000000000000001000000";
    address.remove_prefix(24);
  }
  uint32_t raw = hex_number(address);
  IpPrefix at;
  at.length = 32;
  for (int i = 0; i < 4; i++) at.bytes[i] = reinterpret_cast<const unsigned char*>(&raw)[i];
  auto services = IpPrefix::parse(service_range);
  return at.bytes[0] != 127 && !(services && services->contains(at));
}

struct Table {
  const char *path, *protocol;
};
constexpr std::array kTables{Table{"/proc/thread-self/net/tcp", "TCP"}, Table{"/proc/thread-self/net/tcp6", "TCP"},
                             Table{"/proc/thread-self/net/udp", "UDP"}, Table{"/proc/thread-self/net/udp6", "UDP"}};

}  // namespace

std::set<std::string> listening_ports(std::string_view proc_net, std::string_view protocol, std::string_view service_range) {
  const std::string_view state = protocol == "TCP" ? "0A" : "07";  // TCP_LISTEN; TCP_CLOSE, of a socket that is not connected
  std::set<std::string> out;
  for (std::string_view line : split(proc_net, '\n')) {
    std::vector<std::string_view> fields;
    for (std::string_view f : split(line, ' '))
      if (!f.empty()) fields.push_back(f);
    if (fields.size() < 4 || fields[3] != state) continue;
    auto local = cut(fields[1], ":");
    if (local && reaches_out(local->first, service_range)) out.insert(cat(protocol, "/", hex_number(local->second)));
  }
  return out;
}

void TakenPorts::start() {
  subscription_ = client_.subscribe({resource_ids::kServices}, [this](const Change& c) {
    if (is_balanced(c.before) || is_balanced(c.after)) look();
  });
  look();
}

void TakenPorts::look() {
  again_ = true;
  if (!running_) tasks_.start(follow());
}

std::set<std::string> TakenPorts::asked_ports() const {
  std::set<std::string> out;
  client_.snapshot().each(resource_ids::kServices, "", [&](const Document& d) {
    if (!is_balanced(d)) return true;
    for (Value p : d["spec"]["ports"].items()) out.insert(cat(p["protocol"].str("TCP"), "/", p["port"].integer()));
    return true;
  });
  return out;
}

Task<void> TakenPorts::follow() {
  running_ = true;
  while (again_) {
    again_ = false;
    std::set<std::string> asked = asked_ports();
    Document node = client_.snapshot().get(resource_ids::kNodes, "", options_.node_name);
    std::string told = node["metadata"]["annotations"][kAnnotation].text();
    if (asked.empty() && told.empty()) continue;
    auto read = [range = options_.service_range] {
      std::set<std::string> all;
      for (const Table& t : kTables) {
        auto text = read_file(t.path);
        if (text.ok()) all.merge(listening_ports(*text, t.protocol, range));
      }
      return all;
    };
    auto listening = co_await offload(std::move(read));
    std::vector<std::string> taken;
    std::set_intersection(asked.begin(), asked.end(), listening.begin(), listening.end(), std::back_inserter(taken));
    std::string text = join(taken, " ");
    if (text == told || !node) continue;
    Builder b;
    Mut annotations = b.root().object("metadata").object("annotations");
    if (text.empty()) annotations.set_null(kAnnotation);
    else annotations.set(kAnnotation, text);
    Document patch = b.finish();
    ObjectKey key{"", options_.node_name};
    auto written = co_await client_.patch(resource_ids::kNodes, std::move(key), PatchType::kMerge, std::move(patch));
    if (!written.ok()) log_warning("load balancer: ports that are taken on this node could not be told: ", written.error().message());
  }
  running_ = false;
}

}  // namespace bramble

#include "cni/plugin/plugin_call.h"

#include <unistd.h>

#include <cstdlib>

#include "cni/ipam/host_local.h"
#include "cni/netlink/netns.h"
#include "cni/plugin/bridge.h"
#include "cni/plugin/network_list.h"
#include "cni/plugin/portmap.h"
#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/base/strings.h"
#include "core/json/builder.h"

namespace bramble {
namespace {

// Error codes of the CNI specification, section 2, "Error".
enum CniCode { kBadVersion = 1, kBadEnvironment = 4, kIoFailed = 5, kBadContent = 6, kBadConfig = 7, kNotAvailable = 50, kPluginFailed = 100 };

struct Call {
  std::string command, container_id, netns, interface_name, version;
  Document config;
};

void print(const std::string& text) {
  ssize_t n = write(1, text.data(), text.size());
  (void)n;  // the caller went away
}

int fail(int code, std::string_view version, std::string_view message) {
  Builder b;
  b.root().set("cniVersion", version.empty() ? std::string_view("1.0.0") : version);
  b.root().set("code", code);
  b.root().set("msg", message);
  print(b.dump());
  return 1;
}

int print_versions() {
  print(R"({"cniVersion":"1.1.0","supportedVersions":["0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]})");
  return 0;
}

std::string environment(const char* name) {
  const char* v = getenv(name);
  return v ? v : "";
}

Result<std::string> read_config() {
  std::string out;
  char buf[8192];
  for (;;) {
    ssize_t n = read(0, buf, sizeof buf);
    if (n < 0) return Error::from_errno(errno, "standard input");
    if (n == 0) return out;
    out.append(buf, static_cast<size_t>(n));
    if (out.size() > limits::kCniConfigBytesMax) return Error(Code::kTooLarge, "configuration is too large");
  }
}

// "ipam": {"type": "host-local", "ranges": [[{"subnet": ...}]]} or the old {"subnet": ...}.
Result<HostLocal> open_ipam(const Call& call) {
  Value ipam = call.config["ipam"];
  std::string_view subnet = ipam["subnet"].str();
  if (subnet.empty()) subnet = ipam["ranges"].item(0).item(0)["subnet"].str();
  auto range = IpPrefix::parse(subnet);
  if (!range) return Error(Code::kInvalidArgument, cat("ipam: subnet ", go_quote(subnet), " is not a range"));
  std::string folder = ipam["dataDir"].text("/var/lib/cni/networks");
  TRY(make_folders(folder, 0755));
  return HostLocal::open(cat(folder, "/", call.config["name"].str("default")), *range);
}

void add_address(Mut result, const IpPrefix& address, const IpPrefix& gateway, bool on_interface) {
  Mut ip = result.array("ips").append_object();
  if (on_interface) ip.set("interface", 2);
  ip.set("address", address.text());
  ip.set("gateway", gateway.address_text());
}

void add_interface(Mut result, std::string_view name, std::string_view mac, std::string_view sandbox) {
  Mut i = result.array("interfaces").append_object();
  i.set("name", name);
  if (!mac.empty()) i.set("mac", mac);
  if (!sandbox.empty()) i.set("sandbox", sandbox);
}

// GC: the containers of this network that are not in the list any more.
Result<std::vector<std::string>> leftovers(const Call& call, const HostLocal& ipam) {
  std::vector<std::string> out;
  TRY_ASSIGN(auto known, ipam.containers());
  for (const std::string& id : known) {
    bool valid = false;
    for (Value a : call.config["cni.dev/valid-attachments"].items()) valid = valid || a["containerID"].str() == id;
    if (!valid) out.push_back(id);
  }
  return out;
}

Result<std::string> host_local(const Call& call) {
  TRY_ASSIGN(HostLocal ipam, open_ipam(call));
  if (call.command == "STATUS") return std::string();
  if (call.command == "GC") {
    TRY_ASSIGN(auto gone, leftovers(call, ipam));
    for (const std::string& id : gone) TRY(ipam.del(id));
    return std::string();
  }
  TRY_ASSIGN(auto before, ipam.find(call.container_id));
  if (call.command == "CHECK" && !before) return Error(Code::kNotFound, cat("container ", call.container_id, ": has no address"));
  if (call.command == "DEL") {
    TRY(ipam.del(call.container_id));
    return std::string();
  }
  TRY_ASSIGN(IpPrefix address, ipam.add(call.container_id));
  Builder b;
  b.root().set("cniVersion", call.version);
  add_address(b.root(), address, ipam.gateway(), false);
  return b.dump();
}

Result<std::string> bridge(const Call& call) {
  TRY_ASSIGN(HostLocal ipam, open_ipam(call));
  if (call.command == "STATUS") return std::string();
  if (call.command == "GC") {
    TRY_ASSIGN(auto gone, leftovers(call, ipam));
    for (const std::string& id : gone) {
      TRY(detach_from_bridge(id, "eth0"));
      TRY(ipam.del(id));
    }
    return std::string();
  }
  if (call.command == "DEL") {
    TRY(detach_from_bridge(call.container_id, call.interface_name));
    TRY(ipam.del(call.container_id));
    return std::string();
  }
  BridgeOptions options;
  options.name = call.config["bridge"].text("cni0");
  options.mtu = static_cast<int>(call.config["mtu"].integer());
  options.hairpin = call.config["hairpinMode"].boolean();
  options.is_gateway = call.config["isGateway"].boolean() || call.config["isDefaultGateway"].boolean();
  TRY_ASSIGN(auto before, ipam.find(call.container_id));
  if (call.command == "CHECK" && !before) return Error(Code::kNotFound, cat("container ", call.container_id, ": has no address"));
  TRY_ASSIGN(AddedToBridge added, add_to_bridge(options, ipam, call.container_id, call.netns, call.interface_name));
  const AttachedLinks& links = added.links;
  Builder b;
  b.root().set("cniVersion", call.version);
  add_interface(b.root(), options.name, links.bridge_mac, "");
  add_interface(b.root(), links.host_name, links.host_mac, "");
  add_interface(b.root(), call.interface_name, links.container_mac, call.netns);
  add_address(b.root(), added.address, ipam.gateway(), true);
  return b.dump();
}

// After another plugin, whose result it passes on: ports of the host for the addresses in it.
Result<std::string> portmap(const Call& call) {
  const std::string folder = call.config["dataDir"].text("/var/lib/cni/bramble-portmap");
  Value previous = call.config["prevResult"];
  std::optional<IpPrefix> address;
  for (Value ip : previous["ips"].items())
    if (auto p = IpPrefix::parse(ip["address"].str()); p && !p->v6 && !address) address = *p;
  HostPorts ports(folder, previous["interfaces"].item(0)["name"].text("cni0"), address ? address->network() : IpPrefix());
  if (call.command == "STATUS") return std::string();
  if (call.command == "DEL") {
    TRY(ports.del(call.container_id));
    return std::string();
  }
  if (call.command == "GC") {
    std::vector<std::string> valid;
    for (Value a : call.config["cni.dev/valid-attachments"].items()) valid.push_back(a["containerID"].text());
    TRY(ports.keep_only(valid));
    return std::string();
  }
  if (!previous.is_object()) return Error(Code::kInvalidArgument, "portmap must be called as chained plugin");
  std::vector<PortMapping> wanted;
  for (Value p : call.config["runtimeConfig"]["portMappings"].items()) {
    if (p["hostPort"].integer() <= 0) continue;
    wanted.push_back({lower(p["protocol"].str("tcp")), static_cast<uint16_t>(p["hostPort"].integer()), static_cast<uint16_t>(p["containerPort"].integer()), p["hostIP"].text()});
  }
  if (call.command == "ADD" && !wanted.empty()) {
    if (!address) return Error(Code::kInvalidArgument, "the previous plugin gave no IPv4 address");
    TRY(ports.add(call.container_id, address->address_text(), wanted));
  }
  return previous.dump();
}

Result<std::string> loopback(const Call& call) {
  if (call.command == "DEL" || call.command == "STATUS" || call.command == "GC") return std::string();
  TRY(in_netns(call.netns, []() -> Status {
    TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
    TRY_ASSIGN(auto lo, rt.find_link("lo"));
    if (!lo) return Error(Code::kIo, "lo: missing");
    return rt.set_up(lo->index);
  }));
  Builder b;
  b.root().set("cniVersion", call.version);
  add_interface(b.root(), "lo", "00:00:00:00:00:00", call.netns);
  Mut ip = b.root().array("ips").append_object();
  ip.set("interface", 0);
  ip.set("address", "127.0.0.1/8");
  return b.dump();
}

using PluginFn = Result<std::string> (*)(const Call&);

PluginFn find_plugin(std::string_view name) {
  if (name == "bridge") return bridge;
  if (name == "host-local") return host_local;
  if (name == "loopback") return loopback;
  if (name == "portmap") return portmap;
  return nullptr;
}

std::string wrong_parameters(const Call& call) {
  if (call.container_id.empty() || call.container_id.find('/') != std::string::npos) return "CNI_CONTAINERID is missing or no name";
  if (call.interface_name.empty() || call.interface_name.size() > 15) return "CNI_IFNAME is missing or longer than 15 characters";
  if (call.command != "DEL" && call.netns.empty()) return "CNI_NETNS is missing";
  return {};
}

}  // namespace

bool is_cni_plugin(std::string_view called_name) { return find_plugin(called_name) != nullptr; }

int run_cni_plugin(std::string_view called_name) {
  Call call;
  call.command = environment("CNI_COMMAND");
  if (call.command == "VERSION") return print_versions();
  call.container_id = environment("CNI_CONTAINERID");
  call.netns = environment("CNI_NETNS");
  call.interface_name = environment("CNI_IFNAME");
  const bool of_container = call.command == "ADD" || call.command == "DEL" || call.command == "CHECK";
  if (!of_container && call.command != "STATUS" && call.command != "GC")
    return fail(kBadEnvironment, "", cat("CNI_COMMAND ", go_quote(call.command), " is not ADD, DEL, CHECK, STATUS, GC or VERSION"));
  if (of_container) {
    std::string wrong = wrong_parameters(call);
    if (!wrong.empty()) return fail(kBadEnvironment, "", wrong);
  }
  auto text = read_config();
  if (!text.ok()) return fail(kIoFailed, "", text.error().message());
  auto config = Document::parse(*text);
  if (!config.ok()) return fail(kBadContent, "", config.error().message());
  call.config = std::move(*config);
  call.version = call.config["cniVersion"].text("1.0.0");
  if (!known_cni_version(call.version) || !cni_version_is_at_least(call.version, "0.3.0")) return fail(kBadVersion, call.version, cat("incompatible CNI versions: ", call.version));
  auto result = find_plugin(called_name)(call);
  if (!result.ok()) {
    int code = result.error().code() == Code::kInvalidArgument ? kBadConfig : call.command == "STATUS" ? kNotAvailable : kPluginFailed;
    return fail(code, call.version, result.error().message());
  }
  if (call.command == "ADD") print(*result);
  return 0;
}

}  // namespace bramble

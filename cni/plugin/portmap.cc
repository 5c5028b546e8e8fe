#include "cni/plugin/portmap.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "cni/netlink/netns.h"
#include "cni/nft/batch.h"
#include "core/base/files.h"
#include "core/base/log.h"

namespace bramble {
namespace {

using R = NftRegister;

constexpr const char* kTable = "bramble-hostports";
const NftMap kAnyAddress{"host-ports", NftKeyType::kProtocolPort, NftDataType::kAddressPort};
const NftMap kOneAddress{"host-address-ports", NftKeyType::kAddressProtocolPort, NftDataType::kAddressPort};
const NftMap kHairpins{"hairpin-connections", NftKeyType::kAddressAddress, NftDataType::kNone};

std::string raw_address(const IpPrefix& p) { return {reinterpret_cast<const char*>(p.bytes), 4}; }
std::string raw_port(uint64_t port) { return {static_cast<char>(port >> 8), static_cast<char>(port & 255), 0, 0}; }
std::string raw_protocol(std::string_view name) { return {static_cast<char>(name == "udp" ? IPPROTO_UDP : name == "sctp" ? IPPROTO_SCTP : IPPROTO_TCP), 0, 0, 0}; }

// By key, so that a port leads to one pod only.
struct Elements {
  std::map<std::string, std::string> any, one, hairpins;

  // A line of a file: protocol, host port, the pod's port and address, the host's address or "-".
  void add(std::string_view line) {
    auto f = split(line, ' ');
    if (f.size() != 5) return;
    auto host_port = parse_uint64(f[1]), port = parse_uint64(f[2]);
    auto pod = IpPrefix::parse(f[3]), host = IpPrefix::parse(f[4]);
    if (!host_port || !port || !pod || pod->v6) return;
    std::string to = raw_address(*pod) + raw_port(*port), key = raw_protocol(f[0]) + raw_port(*host_port);
    if (f[4] == "-") any[key] = to;
    else if (host && !host->v6) one[raw_address(*host) + key] = to;
    hairpins[raw_address(*pod) + raw_address(*pod)];
  }
};

std::vector<NftElement> list_of(const std::map<std::string, std::string>& elements) {
  std::vector<NftElement> out;
  for (const auto& [key, data] : elements) out.push_back({key, data, ""});
  return out;
}

NftRule lead(const char* chain, const NftMap& map) {
  NftRule r(chain);
  r.match_local_destination();
  const bool one = map.key == NftKeyType::kAddressProtocolPort;
  if (one) r.load_destination_address(R::kR0).load_protocol(R::kR1).load_destination_port(R::kR2);
  else r.load_protocol(R::kR0).load_destination_port(R::kR1);
  r.load_from(map.name, R::kR0, R::kR3).dnat(R::kR3, R::kR4);
  return r;
}

std::vector<std::string> names_of(const std::string& folder) {
  std::vector<std::string> out;
  DIR* d = opendir(folder.c_str());
  if (!d) return out;
  while (dirent* e = readdir(d))
    if (e->d_name[0] != '.' && !std::string_view(e->d_name).ends_with(".new")) out.push_back(e->d_name);
  closedir(d);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

Result<UniqueFd> HostPorts::lock() const {
  TRY(make_folders(folder_, 0700));
  std::string path = folder_ + "/.lock";
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return Error::from_errno(errno, path);
  while (flock(fd.get(), LOCK_EX) != 0)
    if (errno != EINTR) return Error::from_errno(errno, path);
  return fd;
}

Status HostPorts::restore() {
  TRY_ASSIGN(UniqueFd held, lock());
  return write_table(names_of(folder_), "");
}

// The table of these containers. `last`: the one whose ports go before others'.
Status HostPorts::write_table(std::vector<std::string> names, const std::string& last) {
  Elements all;
  std::stable_partition(names.begin(), names.end(), [&](const std::string& n) { return n != last; });
  for (const auto& name : names) {
    std::string text = read_file_start(file_of(name));
    for (auto line : split(text, '\n')) all.add(line);
  }
  NftBatch batch(kTable);
  batch.add_table();
  batch.delete_table();
  // The host's own connections to 127.0.0.1 leave by the bridge; never without the rule that guards what listens there.
  const std::string to_loopback = cat("ipv4/conf/", bridge_, "/route_localnet");
  if (all.hairpins.empty()) {
    Status closed = set_net_sysctl(to_loopback, "0");
    (void)closed;  // there is no bridge yet, or no longer
    return batch.commit();
  }
  batch.add_table();
  for (const NftMap* m : {&kAnyAddress, &kOneAddress, &kHairpins}) batch.add_map(*m);
  batch.add_elements(kAnyAddress, list_of(all.any));
  batch.add_elements(kOneAddress, list_of(all.one));
  batch.add_elements(kHairpins, list_of(all.hairpins));
  batch.add_chain("nat-prerouting", NftHook{NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST, "nat"});
  batch.add_chain("nat-output", NftHook{NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST, "nat"});
  batch.add_chain("nat-postrouting", NftHook{NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC, "nat"});
  batch.add_chain("filter-input", NftHook{NF_INET_LOCAL_IN, NF_IP_PRI_FILTER - 10, "filter"});
  for (const char* chain : {"nat-prerouting", "nat-output"})
    for (const NftMap* m : {&kOneAddress, &kAnyAddress}) batch.add_rule(lead(chain, *m));
  const std::string pods = raw_address(pods_), loopback("\x7f\0\0\0", 4);
  // The answer must come back through here: to a pod that reaches itself, and to the host.
  NftRule hairpin("nat-postrouting");
  hairpin.load_source_address(R::kR0).load_destination_address(R::kR1).in_set(kHairpins.name, R::kR0).masquerade();
  batch.add_rule(std::move(hairpin));
  NftRule from_host("nat-postrouting");
  from_host.match_source(loopback, 8, true).match_destination(pods, pods_.length, true).masquerade();
  batch.add_rule(std::move(from_host));
  // What listens on the host's 127.0.0.1 is none of the pods' business, now that the bridge would let them in (CVE-2020-8558).
  NftRule martian("filter-input");
  martian.match_new_connection().match_source(loopback, 8, false).match_destination(loopback, 8, true).reject();
  batch.add_rule(std::move(martian));
  TRY(batch.commit());
  return set_net_sysctl(to_loopback, "1");
}

Status HostPorts::add(const std::string& container_id, const std::string& address, const std::vector<PortMapping>& ports) {
  if (ports.empty()) return ok();
  std::string text;
  for (const auto& p : ports) {
    bool any = p.host_ip.empty() || p.host_ip == "0.0.0.0" || p.host_ip == "::";
    text += cat(p.protocol, " ", p.host_port, " ", p.container_port, " ", address, " ", any ? "-" : p.host_ip, "\n");
  }
  TRY_ASSIGN(UniqueFd held, lock());
  if (read_file_start(file_of(container_id)) == text) return ok();
  TRY(replace_file_durably(file_of(container_id), text, 0600));
  Status written = write_table(names_of(folder_), container_id);
  if (!written.ok()) unlink(file_of(container_id).c_str());
  return written;
}

Status HostPorts::del(const std::string& container_id) {
  TRY_ASSIGN(UniqueFd held, lock());
  return leave_out({container_id});
}

Status HostPorts::keep_only(const std::vector<std::string>& container_ids) {
  TRY_ASSIGN(UniqueFd held, lock());
  std::vector<std::string> gone;
  for (const auto& name : names_of(folder_))
    if (std::find(container_ids.begin(), container_ids.end(), name) == container_ids.end()) gone.push_back(name);
  return leave_out(gone);
}

// The files go last: while a file is there, the next call or start tries the table again.
Status HostPorts::leave_out(const std::vector<std::string>& gone) {
  std::vector<std::string> names = names_of(folder_);
  size_t left_out = std::erase_if(names, [&](const std::string& n) { return std::find(gone.begin(), gone.end(), n) != gone.end(); });
  if (left_out == 0) return ok();
  TRY(write_table(std::move(names), ""));
  for (const auto& name : gone)
    if (unlink(file_of(name).c_str()) != 0 && errno != ENOENT) return Error::from_errno(errno, file_of(name));
  return ok();
}

Status HostPorts::down() {
  NftBatch batch(kTable);
  batch.add_table();
  batch.delete_table();
  return batch.commit();
}

}  // namespace bramble

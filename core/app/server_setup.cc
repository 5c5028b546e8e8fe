#include "core/app/server_setup.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "cni/netlink/rtnetlink.h"
#include "core/apiserver/static_tokens.h"
#include "core/app/first_start.h"
#include "core/app/host_facts.h"
#include "core/app/kubelet_arguments.h"
#include "core/app/join_tokens.h"
#include "core/app/node_flags.h"
#include "core/app/server_flags.h"
#include "core/base/files.h"
#include "core/base/limits.h"
#include "storage/sqlite/repair.h"
#include "core/schema/go_time.h"
#include "images/pull/registries.h"

namespace bramble {
namespace {

struct Range {
  int first = 0, last = 0;
};

Result<Range> parse_port_range(const std::string& text) {
  auto parts = cut(text, "-");
  auto first = parts ? parse_int64(parts->first) : std::nullopt, last = parts ? parse_int64(parts->second) : std::nullopt;
  if (!first || !last || *first < 1 || *last > 65535 || *first > *last)
    return Error(Code::kInvalidArgument, cat("flag --service-node-port-range: ", go_quote(text), " is not like 30000-32767"));
  return Range{static_cast<int>(*first), static_cast<int>(*last)};
}

Result<IpPrefix> parse_range(const Flags& flags, std::string_view name) {
  auto range = IpPrefix::parse(flags.text(name));
  if (!range || range->v6 || flags.text(name).find('/') == std::string::npos)
    return Error(Code::kInvalidArgument, cat("flag --", name, ": ", go_quote(flags.text(name)), " is not an IPv4 range like 10.42.0.0/16"));
  return range->network();
}

Result<uint16_t> parse_port(const Flags& flags, std::string_view name) {
  int64_t port = flags.number(name);
  if (port < 1 || port > 65535) return Error(Code::kInvalidArgument, cat("flag --", name, ": ", port, " is not a port"));
  return static_cast<uint16_t>(port);
}

// Mounts and other processes know nothing of this one's folder.
Result<std::string> folder(const Flags& flags, std::string_view name) {
  const std::string& path = flags.text(name);
  if (path.empty()) return Error(Code::kInvalidArgument, cat("flag --", name, ": must name a folder"));
  if (path.front() == '/') return path;
  std::error_code failed;
  std::string out = std::filesystem::absolute(path, failed).lexically_normal().string();
  if (failed) return Error(Code::kInvalidArgument, cat("flag --", name, ": ", go_quote(path), ": ", failed.message()));
  return out;
}

Status read_flannel(const Flags& flags, NodeOptions* node) {
  node->external_addresses = flags.list("node-external-ip");
  for (const std::string& address : node->external_addresses) TRY(check_external_address(address));
  node->flannel_backend = flags.text("flannel-backend");
  TRY(check_flannel_backend(node->flannel_backend));
  node->flannel_interface = flags.text("flannel-iface");
  node->flannel_external_ip = flags.on("flannel-external-ip");
  return ok();
}

// Of kube-controller-manager's many arguments the one that has a meaning here.
Result<int> node_range_bits(const Flags& flags) {
  int bits = limits::kPodCidrNodeBits;
  for (const std::string& argument : flags.list("kube-controller-manager-arg")) {
    auto parts = cut(argument, "=");
    std::string_view name = parts ? parts->first : std::string_view(argument);
    while (name.substr(0, 1) == "-") name.remove_prefix(1);
    const int64_t number = parts ? parse_int64(parts->second).value_or(0) : 0;
    if ((name != "node-cidr-mask-size" && name != "node-cidr-mask-size-ipv4") || number < 8 || number > 30)
      return Error(Code::kInvalidArgument, cat("flag --kube-controller-manager-arg: ", go_quote(argument), " is not known; known is node-cidr-mask-size=BITS, from 8 to 30"));
    bits = static_cast<int>(number);
  }
  return bits;
}

Status read_addresses(const Flags& flags, ServerSetup* s) {
  TRY(read_flannel(flags, &s->node));
  s->plane.flannel_backend = s->node.flannel_backend;
  s->plane.flannel_external_ip = s->node.flannel_external_ip;
  TRY_ASSIGN(IpPrefix pods, parse_range(flags, "cluster-cidr"));
  TRY_ASSIGN(IpPrefix services, parse_range(flags, "service-cidr"));
  TRY_ASSIGN(s->plane.node_range_bits, node_range_bits(flags));
  TRY(check_cluster_ranges(pods, services, s->plane.node_range_bits));
  auto dns = IpPrefix::parse(flags.text("cluster-dns"));
  std::string dns_address = flags.text("cluster-dns");
  // A service range of one's own moves the default DNS address into it, as in k3s.
  if (!flags.given("cluster-dns") && dns && !services.contains(*dns)) dns_address = services.host(10).address_text();
  if (!dns || !services.contains(*IpPrefix::parse(dns_address)))
    return Error(Code::kInvalidArgument, cat("flag --cluster-dns: ", dns_address, " is not in the service range ", services.text()));
  TRY_ASSIGN(Range node_ports, parse_port_range(flags.text("service-node-port-range")));
  s->plane.pod_range = s->node.pod_range = pods.text();
  s->plane.service_range = s->node.service_range = services.text();
  s->plane.dns_address = s->node.dns_address = dns_address;
  s->plane.api_service_address = services.host(1).address_text();
  s->plane.node_port_first = node_ports.first;
  s->plane.node_port_last = node_ports.last;
  return ok();
}

// --disable, as k3s has it: of what it names some is not here at all, which is as good.
Status read_disabled(const Flags& flags, ServerSetup* s) {
  for (const std::string& argument : flags.list("disable")) {
    for (std::string_view part : split(argument, ',')) {
      part = trim(part);
      if (part == "coredns") s->plane.cluster_dns = s->node.dns = false;
      else if (part == "servicelb") s->plane.service_lb = false;
      else if (part != "traefik" && part != "local-storage" && part != "metrics-server" && part != "runtimes")
        return Error(Code::kInvalidArgument, cat("flag --disable: ", go_quote(part), " is not known; known are coredns, servicelb, traefik, local-storage, metrics-server, runtimes"));
    }
  }
  s->node.network_policy = s->plane.network_policy = !flags.on("disable-network-policy");
  return ok();
}

// Of kube-proxy's many arguments those that have a meaning here.
Status read_proxy_arguments(const Flags& flags, NodeOptions* n) {
  for (const std::string& argument : flags.list("kube-proxy-arg")) {
    auto parts = cut(argument, "=");
    std::string_view name = parts ? parts->first : std::string_view(argument), value = parts ? parts->second : std::string_view();
    while (name.substr(0, 1) == "-") name.remove_prefix(1);
    auto wrong = [&](std::string_view why) { return Error(Code::kInvalidArgument, cat("flag --kube-proxy-arg: ", go_quote(argument), ": ", why)); };
    if (name != "nodeport-addresses") return wrong("is not known; known is nodeport-addresses=RANGES");
    for (std::string_view range : split(value, ',')) {
      auto parsed = IpPrefix::parse(range);
      if (!parsed || range.find('/') == std::string_view::npos) return wrong(cat(go_quote(range), " is not a range like 192.168.0.0/16"));
      n->node_port_addresses.push_back(parsed->network().text());
    }
  }
  return ok();
}

}  // namespace

Status read_node(const Flags& flags, const OwnAddress& is_own_address, bool runs, NodeOptions* node, bool* follows_address) {
  NodeOptions& n = *node;
  n.name = lower(trim(flags.text("node-name")));  // as the kubelet takes it
  if (n.name.empty()) {
    TRY_ASSIGN(n.name, host_name());
  }
  TRY(check_node_name(n.name));
  n.address = flags.text("node-ip");
  *follows_address = n.address.empty();
  if (n.address.empty()) {
    TRY_ASSIGN(n.address, host_address());
  } else {
    TRY_ASSIGN(n.address, parse_node_address(n.address));
    if (runs) TRY(check_node_address(n.address));
    if (runs) TRY(is_own_address(n.address));
  }
  TRY_ASSIGN(n.data_dir, folder(flags, "data-dir"));
  TRY_ASSIGN(n.run_dir, folder(flags, "run-dir"));
  TRY_ASSIGN(n.root_dir, folder(flags, "kubelet-root-dir"));
  TRY_ASSIGN(n.log_dir, folder(flags, "pod-log-dir"));
  n.cgroup_root = flags.text("cgroup-root");
  n.runtime = flags.text("runtime");
  n.resolv_conf = flags.text("resolv-conf");
  n.registries_path = flags.text("private-registry");
  n.default_registry_endpoint = !flags.on("disable-default-registry-endpoint");
  TRY(read_kubelet_arguments(flags.list("kubelet-arg"), &n));
  TRY(read_proxy_arguments(flags, &n));
  n.labels = flags.list("node-label");
  n.taints = flags.list("node-taint");
  TRY(check_node_labels(n.labels));
  TRY(check_node_taints(n.taints));
  n.proxy = !flags.on("disable-kube-proxy");
  TRY_ASSIGN(n.kubelet_port, parse_port(flags, "kubelet-port"));
  return ok();
}

namespace {

int64_t* audit_limit(std::string_view name, AuditLogOptions* log) {
  if (name == "audit-log-maxage") return &log->max_age_days;
  if (name == "audit-log-maxbackup") return &log->max_backups;
  if (name == "audit-log-maxsize") return &log->max_megabytes;
  return nullptr;
}

// Of kube-apiserver's many arguments those that have a meaning here.
Status read_api_arguments(const Flags& flags, ControlPlaneOptions* p) {
  for (const std::string& argument : flags.list("kube-apiserver-arg")) {
    auto parts = cut(argument, "=");
    std::string_view name = parts ? parts->first : std::string_view(argument);
    while (name.substr(0, 1) == "-") name.remove_prefix(1);
    std::string value(parts ? parts->second : std::string_view());
    auto refused = [&](std::string_view why) { return Error(Code::kInvalidArgument, cat("flag --kube-apiserver-arg: ", why)); };
    if (name == "token-auth-file" && parts) {
      p->token_file = value;
    } else if (name == "audit-policy-file" && parts) {
      p->audit_policy_file = value;
    } else if (name == "audit-log-path" && parts) {
      p->audit_log.path = value;
    } else if (name == "audit-log-format" && parts) {
      if (value != "json" && value != "legacy")
        return refused(cat("invalid audit log format ", value, ", allowed formats are [\"legacy\" \"json\"]"));
      p->audit_log.legacy = value == "legacy";
    } else if (int64_t* limit = parts ? audit_limit(name, &p->audit_log) : nullptr) {
      auto number = parse_int64(value);
      if (!number || *number > limits::kAuditLimitMax) return refused(cat("--", name, " ", go_quote(value), " is not a number like 100"));
      if (*number < 0) return refused(cat("--", name, " ", value, " can't be a negative number"));
      *limit = *number;
    } else if (parts && name.starts_with("oidc-")) {
      auto known = set_oidc_option(p->oidc, name.substr(5), value);
      if (!known.ok()) return refused(known.error().message());
      if (!*known) return refused(cat(go_quote(argument), " is not known; of oidc-: issuer-url, client-id, username-claim, username-prefix, groups-claim, groups-prefix, ca-file, required-claim, signing-algs"));
    } else {
      return refused(cat(go_quote(argument), " is not known; known are token-auth-file=PATH, oidc-...=, audit-policy-file=PATH, audit-log-path=PATH, "
                         "audit-log-maxage=DAYS, audit-log-maxbackup=FILES, audit-log-maxsize=MEGABYTES, audit-log-format=json|legacy"));
    }
  }
  Status oidc = check_oidc_options(p->oidc);
  if (!oidc.ok()) return oidc.error().prefixed("flag --kube-apiserver-arg");
  return ok();
}

Check check_port(std::string name, uint16_t port, std::string_view flag) {
  std::string owner = port_owner(port);
  if (owner.empty()) return {std::move(name), Check::Verdict::kGood, cat(port, ", free"), ""};
  if (owner.starts_with("bramble ")) return {std::move(name), Check::Verdict::kGood, cat(port, ", ", owner), ""};
  return {std::move(name), Check::Verdict::kWrong, cat(port, " is taken by ", owner), cat("stop it, or give --", flag)};
}

// The folder itself, or the nearest one above it that is there, in which it will be made.
Check check_folder(std::string name, const std::string& path) {
  std::string at = path;
  while (at.size() > 1 && !path_exists(at)) at = folder_of(at);
  if (access(at.c_str(), W_OK | X_OK) == 0) return {std::move(name), Check::Verdict::kGood, path, ""};
  Error why = Error::from_errno(errno, at);
  return {std::move(name), Check::Verdict::kWrong, why.message(), "run as root, or name another folder"};
}

Check check_authorities(const std::string& directory, bool in_use) {
  for (std::string_view name : {"server-ca", "client-ca"}) {
    Status good = check_authority(directory, name, in_use);
    if (!good.ok()) return {"authorities", Check::Verdict::kWrong, good.error().message(), "restore the folder from a backup"};
  }
  return {"authorities", Check::Verdict::kGood, path_exists(directory) ? directory : cat(directory, ", made at the first start"), ""};
}

// What the server says of a store that is not there (SqliteStore::open).
Check check_store(const ServerSetup& s) {
  std::string path = s.plane.store_dir + "/state.db";
  std::error_code absent;
  if (std::filesystem::file_size(path, absent) > 0 && !absent) return {"store file", Check::Verdict::kGood, path, ""};
  std::string sign = sign_of_cluster(s.plane.data_dir, s.credentials.directory), backup = newest_backup(s.plane.backup_dir);
  std::string what = cat(path, absent ? " is missing" : " is empty");
  if (sign.empty() && backup.empty()) return {"store file", Check::Verdict::kGood, cat(path, ", made at the first start"), ""};
  if (sign.empty()) return {"store file", Check::Verdict::kWrong, cat(what, ", and there are backups of one"), cat("bring the newest back with: bramble backup restore ", backup)};
  if (backup.empty()) return {"store file", Check::Verdict::kWrong, cat(what, " though ", sign, " shows that a cluster was here"), "put the file back"};
  return {"store file", Check::Verdict::kWarning, cat(what, " though ", sign, " shows that a cluster was here"), cat("the next start takes the backup ", backup)};
}

Check check_tokens(const std::string& path) {
  auto csv = read_file(path);
  if (!csv.ok()) return {"tokens", Check::Verdict::kWrong, csv.error().message(), "see --kube-apiserver-arg token-auth-file"};
  auto tokens = StaticTokens::parse(*csv);
  if (!tokens.ok()) return {"tokens", Check::Verdict::kWrong, cat(path, ": ", tokens.error().message()), "mend that line"};
  return {"tokens", Check::Verdict::kGood, cat(path, ", ", tokens->size()), ""};
}

Check check_audit(const ControlPlaneOptions& p) {
  auto text = read_file(p.audit_policy_file);
  if (!text.ok()) return {"audit", Check::Verdict::kWrong, text.error().message(), "see --kube-apiserver-arg audit-policy-file"};
  auto policy = AuditPolicy::parse(*text);
  if (!policy.ok()) return {"audit", Check::Verdict::kWrong, cat(p.audit_policy_file, ": ", policy.error().message()), "mend the policy"};
  if (p.audit_log.path.empty()) {
    return {"audit", Check::Verdict::kWarning, cat(p.audit_policy_file, ", but nothing is written"), "give --kube-apiserver-arg audit-log-path=PATH"};
  }
  return {"audit", Check::Verdict::kGood, cat(p.audit_policy_file, ", ", policy->rules(), " rules, to ", p.audit_log.path), ""};
}

Check check_registries(const std::string& path) {
  auto registries = Registries::load(path);
  if (!registries.ok()) return {"registries", Check::Verdict::kWrong, registries.error().message(), "mend that line"};
  return {"registries", Check::Verdict::kGood, path_exists(path) ? path : cat(path, ", not there: each registry is asked itself"), ""};
}

// With their values; of those that hold secrets that they do.
std::map<std::string, std::string> shown_flags(const Flags& flags) {
  std::map<std::string, std::string> out;
  for (const FlagSpec& spec : server_flags()) {
    const bool secret = spec.name.find("token") != std::string_view::npos && spec.name.find("file") == std::string_view::npos;
    std::string& value = out[std::string(spec.name)];
    if (spec.kind == FlagSpec::Kind::kSwitch)
      value = flags.on(spec.name) ? "true" : "false";
    else if (spec.kind == FlagSpec::Kind::kList)
      value = cat("[", join(flags.list(spec.name), ","), "]");
    else if (spec.kind == FlagSpec::Kind::kNumber)
      value = cat(flags.number(spec.name));
    else
      value = secret && !flags.text(spec.name).empty() ? "CLASSIFIED" : flags.text(spec.name);
  }
  return out;
}

}  // namespace

Result<ServerSetup> read_server_setup(const Flags& flags, const OwnAddress& is_own_address) {
  ServerSetup s;
  s.agent = !flags.on("disable-agent");
  TRY(read_addresses(flags, &s));
  TRY(read_node(flags, is_own_address, s.agent, &s.node, &s.follows_address));
  s.node.domain = s.plane.domain = flags.text("cluster-domain");
  TRY(check_cluster_domain(s.node.domain));
  TRY(read_disabled(flags, &s));
  ControlPlaneOptions& p = s.plane;
  p.data_dir = s.node.data_dir;
  p.run_dir = s.node.run_dir;
  p.store_dir = p.data_dir + "/server/db";
  p.backup_dir = p.store_dir + "/backups";
  if (flags.given("backup-dir")) {
    TRY_ASSIGN(p.backup_dir, folder(flags, "backup-dir"));
  }
  int64_t kept = flags.number("backup-retention"), hours = flags.number("backup-interval-hours");
  if (kept < 0 || kept > limits::kBackupsKeptMax) return Error(Code::kInvalidArgument, cat("flag --backup-retention: ", kept, " is not between 0 and ", limits::kBackupsKeptMax));
  if (hours < 1 || hours > limits::kBackupHoursMax) return Error(Code::kInvalidArgument, cat("flag --backup-interval-hours: ", hours, " is not between 1 and ", limits::kBackupHoursMax));
  p.backups_kept = static_cast<int>(kept);
  p.backup_every_us = hours * 3600 * 1000000;
  p.bind_address = flags.text("bind-address");
  p.advertise_address = flags.text("advertise-address").empty() ? s.node.address : flags.text("advertise-address");
  TRY_ASSIGN(p.port, parse_port(flags, "https-listen-port"));
  p.host = s.node.name;
  if (s.agent) p.own_node = s.node.name;
  p.flags = shown_flags(flags);
  TRY(read_api_arguments(flags, &p));
  p.secrets_encryption = flags.on("secrets-encryption");
  p.controllers = !flags.on("disable-controller-manager");
  p.scheduler = !flags.on("disable-scheduler");

  std::string domain = flags.text("cluster-domain");
  s.credentials.directory = p.data_dir + "/server/tls";
  s.credentials.server_names = {"kubernetes", "kubernetes.default", "kubernetes.default.svc", cat("kubernetes.default.svc.", domain),
                                "localhost", "127.0.0.1", s.node.name, s.node.address, p.advertise_address, p.api_service_address};
  for (const std::string& name : flags.list("tls-san")) s.credentials.server_names.push_back(name);
  p.server_names = s.credentials.server_names;
  TRY_ASSIGN(s.tokens, read_given_tokens(flags));
  s.credentials.node_name = s.node.name;
  s.credentials.node_names = {s.node.name, s.node.address, "127.0.0.1", "localhost"};
  s.kubeconfig_path = flags.text("write-kubeconfig");
  unsigned mode = 0;
  if (std::sscanf(flags.text("write-kubeconfig-mode").c_str(), "%o", &mode) != 1 || mode > 0777)
    return Error(Code::kInvalidArgument, cat("flag --write-kubeconfig-mode: ", go_quote(flags.text("write-kubeconfig-mode")), " is not a mode like 0600"));
  s.kubeconfig_mode = mode;
  return s;
}

bool has_store(const ServerSetup& s) {
  std::error_code ec;
  return !std::filesystem::is_empty(s.plane.store_dir, ec) && !ec;
}

std::vector<Check> check_server_setup(const ServerSetup& s) {
  std::vector<Check> out;
  out.push_back({"node", Check::Verdict::kGood, cat(s.node.name, ", ", s.node.address), ""});
  out.push_back({"addresses", Check::Verdict::kGood, cat("pods ", s.plane.pod_range, ", services ", s.plane.service_range, ", DNS ", s.plane.dns_address), ""});
  out.push_back(check_port("API port", s.plane.port, "https-listen-port"));
  if (s.agent) out.push_back(check_port("kubelet port", s.node.kubelet_port, "kubelet-port"));
  out.push_back(check_folder("state", s.plane.data_dir));
  out.push_back(check_folder("run folder", s.plane.run_dir));
  if (s.agent) out.push_back(check_folder("volumes", s.node.root_dir));
  if (s.agent) out.push_back(check_folder("logs", s.node.log_dir));
  if (s.agent) out.push_back(check_registries(s.node.registries_path));
  out.push_back(check_folder("kubeconfig", folder_of(s.kubeconfig_path)));
  out.push_back(check_authorities(s.credentials.directory, has_store(s) || !sign_of_cluster(s.plane.data_dir, s.credentials.directory).empty()));
  out.push_back(check_store(s));
  if (!s.plane.token_file.empty()) out.push_back(check_tokens(s.plane.token_file));
  if (!s.plane.audit_policy_file.empty()) out.push_back(check_audit(s.plane));
  return out;
}

}  // namespace bramble

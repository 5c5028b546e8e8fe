// bramble server: the control plane and, unless --disable-agent, this machine's node. Flags, then parts in order, then the
// loop until SIGTERM or SIGINT. Pods are left running when it stops.
#include <signal.h>

#include <cstdio>

#include "cni/netlink/rtnetlink.h"
#include "core/app/command.h"
#include "core/app/control_plane.h"
#include "core/app/host_facts.h"
#include "core/app/node.h"
#include "core/app/server_flags.h"
#include "core/app/small_files.h"
#include "core/app/version.h"
#include "core/base/limits.h"
#include "core/base/log.h"

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

// What both halves are built from.
struct Setup {
  ControlPlaneOptions plane;
  NodeOptions node;
  CredentialOptions credentials;
  std::string kubeconfig_path;
  mode_t kubeconfig_mode = 0600;
  bool agent = true;
};

Status read_addresses(const Flags& flags, Setup* s) {
  TRY_ASSIGN(IpPrefix pods, parse_range(flags, "cluster-cidr"));
  TRY_ASSIGN(IpPrefix services, parse_range(flags, "service-cidr"));
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

Status read_node(const Flags& flags, Setup* s) {
  NodeOptions& n = s->node;
  n.name = flags.text("node-name");
  if (n.name.empty()) {
    TRY_ASSIGN(n.name, host_name());
  }
  n.address = flags.text("node-ip");
  if (n.address.empty()) {
    TRY_ASSIGN(n.address, host_address());
  } else if (!IpPrefix::parse(n.address)) {
    return Error(Code::kInvalidArgument, cat("flag --node-ip: ", go_quote(n.address), " is not an address"));
  }
  n.data_dir = flags.text("data-dir");
  n.run_dir = flags.text("run-dir");
  n.root_dir = flags.text("kubelet-root-dir");
  n.log_dir = flags.text("pod-log-dir");
  n.cgroup_root = flags.text("cgroup-root");
  n.runtime = flags.text("runtime");
  n.resolv_conf = flags.text("resolv-conf");
  n.domain = flags.text("cluster-domain");
  n.labels = flags.list("node-label");
  n.taints = flags.list("node-taint");
  n.proxy = !flags.on("disable-kube-proxy");
  TRY_ASSIGN(n.kubelet_port, parse_port(flags, "kubelet-port"));
  return ok();
}

Result<Setup> read_setup(const Flags& flags) {
  Setup s;
  s.agent = !flags.on("disable-agent");
  TRY(read_addresses(flags, &s));
  TRY(read_node(flags, &s));
  ControlPlaneOptions& p = s.plane;
  p.data_dir = flags.text("data-dir");
  p.run_dir = flags.text("run-dir");
  p.store_dir = store_dir(flags);
  p.backup_dir = backup_dir(flags);
  int64_t kept = flags.number("backup-retention"), hours = flags.number("backup-interval-hours");
  if (kept < 0 || kept > limits::kBackupsKeptMax) return Error(Code::kInvalidArgument, cat("flag --backup-retention: ", kept, " is not between 0 and ", limits::kBackupsKeptMax));
  if (hours < 1 || hours > limits::kBackupHoursMax) return Error(Code::kInvalidArgument, cat("flag --backup-interval-hours: ", hours, " is not between 1 and ", limits::kBackupHoursMax));
  p.backups_kept = static_cast<int>(kept);
  p.backup_every_us = hours * 3600 * 1000000;
  p.bind_address = flags.text("bind-address");
  p.advertise_address = flags.text("advertise-address").empty() ? s.node.address : flags.text("advertise-address");
  TRY_ASSIGN(p.port, parse_port(flags, "https-listen-port"));
  p.host = s.node.name;
  p.controllers = !flags.on("disable-controller-manager");
  p.scheduler = !flags.on("disable-scheduler");

  std::string domain = flags.text("cluster-domain");
  s.credentials.directory = p.data_dir + "/server/tls";
  s.credentials.server_names = {"kubernetes", "kubernetes.default", "kubernetes.default.svc", cat("kubernetes.default.svc.", domain),
                                "localhost", "127.0.0.1", s.node.name, s.node.address, p.advertise_address, p.api_service_address};
  for (const std::string& name : flags.list("tls-san")) s.credentials.server_names.push_back(name);
  s.credentials.node_name = s.node.name;
  s.credentials.node_names = {s.node.name, s.node.address, "127.0.0.1", "localhost"};
  s.kubeconfig_path = flags.text("write-kubeconfig");
  unsigned mode = 0;
  if (std::sscanf(flags.text("write-kubeconfig-mode").c_str(), "%o", &mode) != 1 || mode > 0777)
    return Error(Code::kInvalidArgument, cat("flag --write-kubeconfig-mode: ", go_quote(flags.text("write-kubeconfig-mode")), " is not a mode like 0600"));
  s.kubeconfig_mode = mode;
  return s;
}

Status write_kubeconfig(const Setup& s, const Credentials& credentials) {
  size_t slash = s.kubeconfig_path.rfind('/');
  if (slash != std::string::npos && slash > 0) TRY(make_directories(s.kubeconfig_path.substr(0, slash), 0755));
  std::string host = s.plane.bind_address == "0.0.0.0" || s.plane.bind_address.empty() ? "127.0.0.1" : s.plane.bind_address;
  return write_file_atomically(s.kubeconfig_path, make_kubeconfig(cat("https://", host, ":", s.plane.port), credentials.server_ca_pem, credentials.admin),
                               s.kubeconfig_mode);
}

Task<void> shut_down(std::unique_ptr<Node>* node, ControlPlane* plane, Loop* loop, int* exit_code) {
  notify_service_manager("STOPPING=1");
  node->reset();
  auto closed = co_await plane->close();
  if (!closed.ok()) {
    log_error("stop: ", closed.error().message());
    *exit_code = 1;
  }
  loop->stop();
}

Result<int> serve(Setup setup) {
  RealClock clock;
  RealRandom random;
  Loop loop;
  TRY(make_directories(setup.plane.data_dir, 0700));
  TRY_ASSIGN(Credentials credentials, load_or_make_credentials(setup.credentials, clock));

  std::unique_ptr<Node> node;
  setup.plane.streams = [&node, name = setup.node.name](std::string_view asked) {
    return node && asked == name ? node->streams() : nullptr;
  };
  setup.plane.doubt_over = [&node] {
    if (node) node->look_again();
  };
  TRY_ASSIGN(auto plane, ControlPlane::open(setup.plane, credentials, loop, clock, random));
  plane->start();
  if (setup.agent) {
    setup.node.quarantine = plane->quarantine();
    auto clients = [&plane](Identity i) { return plane->client(std::move(i)); };
    TRY_ASSIGN(node, Node::open(setup.node, credentials, clients, clock, random));
  }
  TRY(write_kubeconfig(setup, credentials));
  log_info("bramble ", version_text(), ": API on port ", plane->port(), ", kubeconfig ", setup.kubeconfig_path);
  notify_service_manager("READY=1");

  int exit_code = 0;
  TaskGroup stopping;
  auto stop = [&] {
    if (stopping.size() == 0) stopping.start(shut_down(&node, plane.get(), &loop, &exit_code));
  };
  SignalWatch on_term(SIGTERM, stop), on_int(SIGINT, stop);
  loop.run();
  return exit_code;
}

}  // namespace

int run_server(const std::vector<std::string>& argv) {
  Flags::Source source;
  source.specs = server_flags();
  source.argv = argv;
  source.environment = environment_variable;
  source.reads_config = true;
  auto flags = Flags::read(source);
  if (!flags.ok()) return fail(cat("server: ", flags.error().message()));
  if (flags->help()) {
    std::string text = flags_help("bramble server [flags]", "Runs the control plane and this machine's node.", server_flags());
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
  }
  if (flags->on("debug")) set_log_level(LogLevel::kDebug);
  signal(SIGPIPE, SIG_IGN);
  auto setup = read_setup(*flags);
  if (!setup.ok()) return fail(cat("server: ", setup.error().message()));
  auto code = serve(std::move(*setup));
  return code.ok() ? *code : fail(cat("server: ", code.error().message()));
}

}  // namespace bramble

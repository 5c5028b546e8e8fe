// bramble server: the control plane and, unless --disable-agent, this machine's node. Flags, then parts in order, then the
// loop until SIGTERM or SIGINT. Pods are left running when it stops.
#include <signal.h>
#include <unistd.h>

#include <cstdio>

#include "core/app/begin_anew.h"
#include "core/app/command.h"
#include "core/app/control_plane.h"
#include "core/app/first_start.h"
#include "core/app/host_facts.h"
#include "core/app/join_tokens.h"
#include "core/app/node.h"
#include "core/app/node_address.h"
#include "core/app/node_flags.h"
#include "core/app/renewal.h"
#include "core/app/server_flags.h"
#include "core/app/server_setup.h"
#include "core/app/version.h"
#include "core/app/watchdog.h"
#include "core/base/files.h"
#include "core/base/heap.h"
#include "core/base/limits.h"
#include "core/base/log.h"

namespace bramble {
namespace {

Status write_kubeconfig(const ServerSetup& s, const Credentials& credentials) {
  TRY(make_folders(folder_of(s.kubeconfig_path)));
  std::string host = s.plane.bind_address == "0.0.0.0" || s.plane.bind_address.empty() ? "127.0.0.1" : s.plane.bind_address;
  return replace_file_durably(s.kubeconfig_path, make_kubeconfig(cat("https://", host, ":", s.plane.port), credentials.server_ca_pem, credentials.admin),
                               s.kubeconfig_mode);
}

// The parts of a running server, in the order in which they are built.
struct Running {
  std::unique_ptr<ControlPlane> plane;
  std::unique_ptr<Node> node;  // null without an agent
  std::unique_ptr<CertificateRenewal> renewal;
  std::unique_ptr<Watchdog> watchdog;
  std::unique_ptr<AddressWatch> address_watch;
  bool begins_anew = false;
  int exit_code = 0;
};

// Backwards: first who may ask (ports and their handlers), then offloaded work, which points into the node, then the node, at
// last what all of them write to. Work that does not end in time keeps its node; like after a crash the next start clears up.
Task<void> shut_down(Running* running, Loop* loop) {
  notify_service_manager(running->begins_anew ? "RELOADING=1" : "STOPPING=1");
  running->renewal.reset();
  running->plane->close_ports();
  if (running->node) running->node->close_ports();
  co_await running->plane->flush_audit();
  OffloadHalt halt;
  bool quiet = co_await halt.quiet(limits::kStopWorkMs);
  if (quiet) running->node.reset();
  if (!quiet) log_warning("stop: disk work did not end within ", limits::kStopWorkMs / 1000, " s");
  auto closed = co_await running->plane->close();
  if (!closed.ok()) {
    log_error("stop: ", closed.error().message());
    running->exit_code = 1;
  }
  loop->stop();
}

std::unique_ptr<CertificateRenewal> renewal_of(Running* running, const ServerSetup& setup, const Credentials& credentials, const Clock& clock) {
  auto load = [setup, &clock]() -> Result<Credentials> {
    TRY_ASSIGN(Credentials renewed, load_or_make_credentials(setup.credentials, clock));
    TRY(write_kubeconfig(setup, renewed));
    return renewed;
  };
  auto use = [running](const Credentials& renewed) -> Status {
    TRY(running->plane->use_certificates(renewed));
    return running->node ? running->node->use_certificates(renewed) : ok();
  };
  return std::make_unique<CertificateRenewal>(credentials, clock, load, use);
}

Status bring_up(Running* running, const ServerSetup& setup, const Credentials& credentials, Clock& clock, Random& random, const std::function<void()>& stop) {
  ControlPlane* plane = running->plane.get();
  plane->start();
  if (setup.agent) {
    auto clients = [plane](Identity i) { return plane->client(std::move(i)); };
    NodeOptions node = setup.node;
    node.quarantine = plane->quarantine();
    TRY_ASSIGN(running->node, Node::open(std::move(node), credentials, clients, clock, random));
  }
  TRY(write_kubeconfig(setup, credentials));
  running->renewal = renewal_of(running, setup, credentials, clock);
  log_info("bramble ", version_text(), ": API on port ", plane->port(), ", kubeconfig ", setup.kubeconfig_path);
  notify_service_manager("READY=1");
  running->watchdog = std::make_unique<Watchdog>(watchdog_interval_us());
  if (setup.follows_address) {
    TRY_ASSIGN(running->address_watch, AddressWatch::start(setup.node.address, [running, stop, was = setup.node.address](const std::string& now) {
      log_warning("node address: ", now, " in place of ", was, "; the server begins anew with it, pods run on");
      running->begins_anew = true;
      stop();
    }));
  }
  return ok();
}

// Runs until a signal. Returns only when it could not begin; else the process ends here, without unwinding: threads of the pool
// may still be inside a call.
Status serve(ServerSetup setup) {
  RealClock clock;
  RealRandom random;
  Loop loop;
  setup.node.open_files = raise_open_files();
  if (setup.agent) TRY(Node::check_host(setup.node));
  TRY(make_folders(setup.plane.data_dir, 0700));
  setup.credentials.time_floor_s = setup.plane.time_floor_s = issuing_floor_s(setup.plane.data_dir);
  TRY_ASSIGN(FirstStart first, FirstStart::begin(setup.plane.data_dir, setup.credentials.directory));
  setup.plane.sign_of_cluster = first.sign();
  setup.credentials.in_use = has_store(setup) || !first.sign().empty();
  TRY_ASSIGN(Credentials credentials, load_or_make_credentials(setup.credentials, clock));
  setup.credentials.in_use = true;  // when they are renewed
  TRY_ASSIGN(JoinTokens tokens, load_or_make_join_tokens(setup.plane.data_dir, credentials.server_ca_pem, setup.tokens, random));
  setup.plane.node_token_password = tokens.node.password;

  Running running;
  setup.plane.readings = [&running, name = setup.node.name](std::string_view asked) {
    return running.node && asked == name ? running.node->readings() : nullptr;
  };
  setup.plane.streams = [&running, name = setup.node.name](std::string_view asked) {
    return running.node && asked == name ? running.node->streams() : nullptr;
  };
  setup.plane.doubt_over = [&running] {
    if (running.node) running.node->look_again();
  };
  TRY_ASSIGN(running.plane, ControlPlane::open(setup.plane, credentials, loop, clock, random));
  TRY(first.done());

  TaskGroup stopping;
  auto stop = [&] {
    if (stopping.size() == 0) stopping.start(shut_down(&running, &loop));
  };
  SignalWatch on_term(SIGTERM, stop), on_int(SIGINT, stop);
  Status up = bring_up(&running, setup, credentials, clock, random, stop);
  if (!up.ok()) {
    running.exit_code = fail(cat("server: ", up.error().message()));
    stop();
  }
  loop.run();
  std::fflush(nullptr);
  if (running.begins_anew && running.exit_code == 0) begin_anew(setup.node.open_files);
  _exit(running.exit_code);
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
  keep_heap_small();
  signal(SIGPIPE, SIG_IGN);
  if (!flags->given("node-ip")) {
    Status there = wait_for_address();
    if (!there.ok()) return fail(cat("server: ", there.error().message()));
  }
  auto setup = read_server_setup(*flags, check_own_address);
  if (!setup.ok()) return fail(cat("server: ", setup.error().message()));
  Status served = serve(std::move(*setup));
  return fail(cat("server: ", served.error().message()));
}

}  // namespace bramble

// bramble agent: this machine's node of a cluster whose server is elsewhere. Flags, then parts in order, then the loop until
// SIGTERM or SIGINT. Pods are left running when it stops.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/app/agent.h"
#include "core/app/agent_flags.h"
#include "core/app/begin_anew.h"
#include "core/app/command.h"
#include "core/app/credentials.h"
#include "core/app/host_facts.h"
#include "core/app/node_address.h"
#include "core/app/node_flags.h"
#include "core/app/version.h"
#include "core/app/watchdog.h"
#include "core/base/files.h"
#include "core/base/heap.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "provision/join/join.h"

namespace bramble {
namespace {

struct Running {
  std::unique_ptr<Agent> agent;
  std::unique_ptr<Watchdog> watchdog;
  std::unique_ptr<AddressWatch> address_watch;
  std::unique_ptr<NodeRenewal> renewal;
  bool begins_anew = false;
  int exit_code = 0;
};

// Who may ask, then offloaded work, which points into the node, then the node. Work that does not end in time keeps its node.
Task<void> shut_down(Running* running, Loop* loop) {
  notify_service_manager(running->begins_anew ? "RELOADING=1" : "STOPPING=1");
  running->renewal.reset();
  running->agent->close_ports();
  OffloadHalt halt;
  bool quiet = co_await halt.quiet(limits::kStopWorkMs);
  if (quiet) running->agent.reset();
  if (!quiet) log_warning("stop: disk work did not end within ", limits::kStopWorkMs / 1000, " s");
  loop->stop();
}

JoinOptions join_options(const AgentSetup& s) {
  JoinOptions o;
  o.server_url = s.server.text(), o.token = s.token, o.node_name = s.node.name, o.node_addresses = {s.node.address}, o.data_dir = s.node.data_dir;
  o.time_floor_s = issuing_floor_s(s.node.data_dir);
  o.resolv_conf = s.node.resolv_conf;
  return o;
}

// The certificates on disk, or those that the server gives for the token. A server that does not answer yet is asked again.
Task<Result<NodeCredentials>> get_in(JoinOptions options, const Clock* clock) {
  for (int64_t wait_ms = limits::kJoinRetryMsMin;; wait_ms = std::min(2 * wait_ms, limits::kJoinRetryMsMax)) {
    Task<Result<NodeCredentials>> joining = join(options, *clock);
    auto joined = co_await joining;
    bool later = !joined.ok() && (joined.error().code() == Code::kUnavailable || joined.error().code() == Code::kTimeout || joined.error().code() == Code::kTooManyRequests);
    if (!later) co_return joined;
    log_warning("join: ", joined.error().message(), "; tried again in ", wait_ms / 1000, " s");
    co_await sleep_ms(wait_ms);
  }
}

Task<void> bring_up(Running* running, const AgentSetup* setup, const Clock* clock, std::function<void()> stop) {
  JoinOptions joining = join_options(*setup);
  Task<Result<NodeCredentials>> getting_in = get_in(joining, clock);
  auto credentials = co_await getting_in;
  if (!credentials.ok()) {
    running->exit_code = fail(cat("agent: ", credentials.error().message()));
    Loop::current().post(stop);
    co_return;
  }
  Status up = co_await running->agent->start();
  if (!up.ok()) {
    running->exit_code = fail(cat("agent: ", up.error().message()));
    Loop::current().post(stop);
    co_return;
  }
  log_info("bramble ", version_text(), ": node ", setup->node.name, " of ", setup->server.text());
  notify_service_manager("READY=1");
  running->watchdog = std::make_unique<Watchdog>(watchdog_interval_us());
  auto renewed = [running, stop](const NodeCredentials&) -> Status {
    log_info("certificates: renewed; the agent begins anew with them, pods run on");
    running->begins_anew = true;
    Loop::current().post(stop);
    return ok();
  };
  running->renewal = std::make_unique<NodeRenewal>(*credentials, joining, *clock, renewed);
  if (!setup->follows_address) co_return;
  auto changed = [running, stop, was = setup->node.address](const std::string& now) {
    log_warning("node address: ", now, " in place of ", was, "; the agent begins anew with it, pods run on");
    running->begins_anew = true;
    stop();
  };
  auto watch = AddressWatch::start(setup->node.address, changed);
  if (watch.ok()) running->address_watch = std::move(*watch);
  else log_warning("node address: ", watch.error().message());
}

// Runs until a signal. Returns only when it could not begin.
Status serve(AgentSetup setup) {
  RealClock clock;
  RealRandom random;
  Loop loop;
  setup.node.open_files = raise_open_files();
  TRY(Node::check_host(setup.node));
  TRY(make_folders(setup.node.data_dir + "/agent", 0700));

  Running running;
  running.agent = std::make_unique<Agent>(setup, clock, random);
  TaskGroup starting, stopping;
  auto stop = [&] {
    starting.cancel_all();
    if (stopping.size() == 0) stopping.start(shut_down(&running, &loop));
  };
  SignalWatch on_term(SIGTERM, stop), on_int(SIGINT, stop);
  starting.start(bring_up(&running, &setup, &clock, stop));
  loop.run();
  std::fflush(nullptr);
  if (running.begins_anew && running.exit_code == 0) begin_anew(setup.node.open_files);
  _exit(running.exit_code);
}

}  // namespace

int run_agent(const std::vector<std::string>& argv) {
  Flags::Source source;
  source.specs = agent_flags();
  source.argv = argv;
  source.environment = environment_variable;
  source.reads_config = true;
  auto flags = Flags::read(source);
  if (!flags.ok()) return fail(cat("agent: ", flags.error().message()));
  if (flags->help()) {
    std::string text = flags_help("bramble agent [flags]", "Runs this machine's node of a cluster whose server is elsewhere.", agent_flags());
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
  }
  if (flags->on("debug")) set_log_level(LogLevel::kDebug);
  keep_heap_small();
  signal(SIGPIPE, SIG_IGN);
  if (!flags->given("node-ip")) {
    Status there = wait_for_address();
    if (!there.ok()) return fail(cat("agent: ", there.error().message()));
  }
  auto setup = read_agent_setup(*flags, check_own_address);
  if (!setup.ok()) return fail(cat("agent: ", setup.error().message()));
  Status served = serve(std::move(*setup));
  return fail(cat("agent: ", served.error().message()));
}

}  // namespace bramble

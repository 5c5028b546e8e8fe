// bramble agent: this machine's node of a cluster whose server is elsewhere. Flags, then parts in order, then the loop until
// SIGTERM or SIGINT. Pods are left running when it stops.
#include <signal.h>
#include <unistd.h>

#include <cstdio>

#include "core/app/agent.h"
#include "core/app/agent_flags.h"
#include "core/app/begin_anew.h"
#include "core/app/command.h"
#include "core/app/host_facts.h"
#include "core/app/node_address.h"
#include "core/app/node_flags.h"
#include "core/app/version.h"
#include "core/app/watchdog.h"
#include "core/base/files.h"
#include "core/base/heap.h"
#include "core/base/limits.h"
#include "core/base/log.h"

namespace bramble {
namespace {

struct Running {
  std::unique_ptr<Agent> agent;
  std::unique_ptr<Watchdog> watchdog;
  std::unique_ptr<AddressWatch> address_watch;
  bool begins_anew = false;
  int exit_code = 0;
};

// Who may ask, then offloaded work, which points into the node, then the node. Work that does not end in time keeps its node.
Task<void> shut_down(Running* running, Loop* loop) {
  notify_service_manager(running->begins_anew ? "RELOADING=1" : "STOPPING=1");
  running->agent->close_ports();
  OffloadHalt halt;
  bool quiet = co_await halt.quiet(limits::kStopWorkMs);
  if (quiet) running->agent.reset();
  if (!quiet) log_warning("stop: disk work did not end within ", limits::kStopWorkMs / 1000, " s");
  loop->stop();
}

Task<void> bring_up(Running* running, const AgentSetup* setup, std::function<void()> stop) {
  Status up = co_await running->agent->start();
  if (!up.ok()) {
    running->exit_code = fail(cat("agent: ", up.error().message()));
    Loop::current().post(stop);
    co_return;
  }
  log_info("bramble ", version_text(), ": node ", setup->node.name, " of ", setup->server.text());
  notify_service_manager("READY=1");
  running->watchdog = std::make_unique<Watchdog>(watchdog_interval_us());
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
  starting.start(bring_up(&running, &setup, stop));
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

// bramble check-config: checks the flags, the config files and this machine as a server would, shows what is set aside, and says
// what to change. Exit code 1 when a server would not start, or something that a node needs is missing.
#include <signal.h>

#include <cstdio>

#include "core/app/command.h"
#include "core/app/local_call.h"
#include "core/app/node_flags.h"
#include "core/app/server_flags.h"
#include "core/app/server_setup.h"
#include "core/loop/loop.h"
#include "core/quarantine/quarantine.h"
#include "core/runtime/carried_runc.h"

namespace bramble {

namespace {

constexpr FlagSpec kClear = {"clear-quarantine", 0, "", FlagSpec::Kind::kSwitch, "false", "Quarantine",
                             "try the objects again that are set aside because they ended the server"};

std::vector<FlagSpec> flags_of_check() {
  std::vector<FlagSpec> out(server_flags().begin(), server_flags().end());
  out.push_back(kClear);
  return out;
}

// False when a server would not start with it.
bool show(const Check& c) {
  constexpr const char* kMarks[] = {"ok     ", "warning", "MISSING", "WRONG  "};
  std::printf("%s  %s: %s\n", kMarks[static_cast<int>(c.verdict)], c.name.c_str(), c.finding.c_str());
  if (!c.advice.empty()) std::printf("         %s\n", c.advice.c_str());
  return c.verdict == Check::Verdict::kGood || c.verdict == Check::Verdict::kWarning;
}

bool show_setup(const Flags& flags) {
  auto setup = read_server_setup(flags, check_own_address);
  if (!setup.ok()) return show({"flags", Check::Verdict::kWrong, setup.error().message(), ""});
  bool good = true;
  for (const Check& c : check_server_setup(*setup)) good = show(c) && good;
  return good;
}

// What the running server knows of its store.
void show_store(const Document& health) {
  bool good = true;
  auto tell = [&good](std::string_view what, std::string_view advice) {
    good = false;
    show({"store", Check::Verdict::kWarning, std::string(what), std::string(advice)});
  };
  if (health["readOnly"].boolean()) tell(health["text"].str(), "nothing can be changed until then");
  for (Value key : health["lost"].items()) tell(cat(key.str(), ": cannot be read, and is not shown"), "make the object anew, or: bramble backup restore");
  if (health["epochChanged"].boolean())
    tell("it was repaired or restored; what is absent is left in doubt for half an hour", "when nothing missing will come back: bramble backup confirm");
  if (good) show({"store", Check::Verdict::kGood, "the running server reads and writes all of it", ""});
}

Task<void> ask_for_store(std::string socket, Loop* loop) {
  auto health = co_await call_local(socket, "GET", "/v1/store", nullptr);
  if (health.ok()) show_store(*health);
  else show({"store", Check::Verdict::kGood, "no server runs here; one that starts checks it", ""});
  loop->stop();
}

void show_store_of(const std::string& run_dir) {
  signal(SIGPIPE, SIG_IGN);
  Loop loop;
  TaskGroup tasks;
  tasks.start(ask_for_store(run_dir + "/server.sock", &loop));
  if (tasks.size() > 0) loop.run();
}

// What the running server, or the last one since the machine started, leaves alone.
Status show_quarantine(const std::string& run_dir, bool clear) {
  TRY_ASSIGN(auto entries, Quarantine::read(quarantine_path(run_dir)));
  for (const Quarantine::Entry& e : entries) std::printf("%s  quarantine: %s\n", clear ? "cleared" : "warning", Quarantine::text_of(e).c_str());
  if (clear) {
    TRY_ASSIGN(size_t cleared, Quarantine::clear(quarantine_path(run_dir)));
    if (cleared > 0) std::printf("         each is tried again when it or something beside it changes, or at the next start\n");
  } else if (!entries.empty()) {
    std::printf("         change the object (an annotation will do), or: bramble check-config --clear-quarantine; and report the bug\n");
  } else {
    std::printf("ok       quarantine: no object is set aside\n");
  }
  return ok();
}

}  // namespace

int run_check_config(const std::vector<std::string>& argv) {
  std::vector<FlagSpec> specs = flags_of_check();
  Flags::Source source{specs, argv, [](std::string_view name) { return environment_variable(name); }, true};
  auto flags = Flags::read(source);
  if (!flags.ok()) return fail(cat("check-config: ", flags.error().message()));
  if (flags->help()) {
    std::string text = flags_help("bramble check-config [flags of the server]",
                                  "Checks flags, the config file with its drop-ins, and this machine; shows which objects are set aside.", specs);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
  }
  bool good = show_setup(*flags);
  CheckOptions options;
  options.runtime = flags->text("runtime");
  if (options.runtime.empty() && carried_runc().empty()) options.runtime = "runc";
  for (const Check& c : check_machine(options)) good = show(c) && good;
  show_store_of(flags->text("run-dir"));
  Status shown = show_quarantine(flags->text("run-dir"), flags->on("clear-quarantine"));
  if (!shown.ok()) return fail(cat("check-config: ", shown.error().message()));
  return good ? 0 : 1;
}

}  // namespace bramble

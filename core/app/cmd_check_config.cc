// bramble check-config: checks the config files and this machine, says what to change. Exit code 1 when something that a
// node needs is missing.
#include <cstdio>

#include "core/app/command.h"
#include "core/app/server_flags.h"
#include "core/app/small_files.h"
#include "core/quarantine/quarantine.h"
#include "provision/host/checks.h"

namespace bramble {

namespace {

constexpr FlagSpec kClear = {"clear-quarantine", 0, "", FlagSpec::Kind::kSwitch, "false", "Quarantine",
                             "try the objects again that are set aside because they ended the server"};

// The config file is checked with all flags of the server; of these the command itself uses the ones in its help.
std::vector<FlagSpec> flags_of_check(bool all) {
  std::vector<FlagSpec> out;
  for (const FlagSpec& s : server_flags())
    if (all || s.name == "runtime" || s.name == "run-dir") out.push_back(s);
  out.push_back(kClear);
  return out;
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
  std::vector<FlagSpec> specs = flags_of_check(true);
  Flags::Source source{specs, argv, [](std::string_view name) { return environment_variable(name); }, true};
  auto flags = Flags::read(source);
  if (!flags.ok()) return fail(cat("check-config: ", flags.error().message()));
  if (flags->help()) {
    std::string text = flags_help("bramble check-config [--runtime PATH] [--run-dir DIR] [--config FILE] [--clear-quarantine]",
                                  "Checks the config file, its drop-ins and this machine, and shows which objects are set aside.",
                                  flags_of_check(false));
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
  }
  CheckOptions options;
  options.runtime = flags->text("runtime");
  bool missing = false;
  for (const Check& c : check_machine(options)) {
    const char* mark = c.verdict == Check::Verdict::kGood ? "ok     " : c.verdict == Check::Verdict::kWarning ? "warning" : "MISSING";
    std::printf("%s  %s: %s\n", mark, c.name.c_str(), c.finding.c_str());
    if (!c.advice.empty()) std::printf("         %s\n", c.advice.c_str());
    missing = missing || c.verdict == Check::Verdict::kMissing;
  }
  Status shown = show_quarantine(flags->text("run-dir"), flags->on("clear-quarantine"));
  if (!shown.ok()) return fail(cat("check-config: ", shown.error().message()));
  return missing ? 1 : 0;
}

}  // namespace bramble

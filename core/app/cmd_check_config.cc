// bramble check-config: checks the config files and this machine, says what to change. Exit code 1 when something that a
// node needs is missing.
#include <cstdio>

#include "core/app/command.h"
#include "core/app/server_flags.h"
#include "provision/host/checks.h"

namespace bramble {

static const FlagSpec* runtime_flag() {
  for (const FlagSpec& s : server_flags())
    if (s.name == "runtime") return &s;
  return nullptr;
}

int run_check_config(const std::vector<std::string>& argv) {
  Flags::Source source{server_flags(), argv, [](std::string_view name) { return environment_variable(name); }, true};
  auto flags = Flags::read(source);
  if (!flags.ok()) return fail(cat("check-config: ", flags.error().message()));
  if (flags->help()) {
    std::string text = flags_help("bramble check-config [--runtime PATH] [--config FILE]",
                                  "Checks the config file, its drop-ins and this machine.", {runtime_flag(), 1});
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
  return missing ? 1 : 0;
}

}  // namespace bramble

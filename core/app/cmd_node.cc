// bramble node list|approve NAME: which machine's key a node's name belongs to, and giving the name to the machine that was
// refused; asked of the running server over its local socket (AccessApi).
#include <signal.h>

#include <cstdio>

#include "core/app/command.h"
#include "core/app/local_call.h"
#include "core/app/server_flags.h"
#include "core/http/url.h"
#include "core/loop/loop.h"

namespace bramble {
namespace {

constexpr std::string_view kUsage = "bramble node list | approve NAME";
constexpr std::string_view kAbout =
    "Names of nodes. The first machine that joins under a name keeps it, also when its Node is deleted: another is refused.\n"
    "  list      names, the keys they belong to, and keys that were refused\n"
    "  approve   gives a name to the machine that was refused last (a new card in the same board), or, when none was, to the\n"
    "            next one that asks. The machine that had it is a node no more";

std::vector<FlagSpec> flags_of_node() {
  std::vector<FlagSpec> out;
  for (const FlagSpec& s : server_flags())
    if (s.name == "config" || s.name == "run-dir") out.push_back(s);
  return out;
}

void print_names(Value answer) {
  std::printf("%-40s %-18s %s\n", "NAME", "KEY", "REFUSED");
  for (Value n : answer["nodes"].items()) {
    auto shown = [&](const char* key) {
      std::string text = n[key].text().substr(0, 16);
      return text.empty() ? std::string("<none>") : text;
    };
    std::printf("%-40s %-18s %s\n", n["name"].text().c_str(), shown("key").c_str(), shown("refused").c_str());
  }
}

Task<void> ask_server(std::string socket, std::string name, int* exit_code, Loop* loop) {
  const bool approves = !name.empty();
  std::string target = approves ? cat("/v1/nodes/approve?name=", url_encode(name)) : std::string("/v1/nodes");
  auto answer = co_await call_local(socket, approves ? "POST" : "GET", target, nullptr);
  if (!answer.ok()) {
    *exit_code = fail(cat("node: ", answer.error().message()));
  } else if (!approves) {
    print_names(answer->root());
  } else {
    std::string key = (*answer)["key"].text().substr(0, 16);
    if (key.empty()) std::printf("%s: the next machine that joins under this name keeps it\n", name.c_str());
    else std::printf("%s: belongs to the machine with the key %s now; start its agent again\n", name.c_str(), key.c_str());
  }
  loop->stop();
}

}  // namespace

int run_node(const std::vector<std::string>& argv) {
  Flags::Source source;
  source.specs = server_flags();  // the config file may hold any of them
  source.argv = argv;
  source.environment = environment_variable;
  source.reads_config = true;
  source.takes_arguments = true;
  auto flags = Flags::read(source);
  if (!flags.ok()) return fail(cat("node: ", flags.error().message()));
  if (flags->help()) {
    std::string text = flags_help(kUsage, kAbout, flags_of_node());
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
  }
  const auto& arguments = flags->arguments();
  const bool lists = arguments.size() == 1 && arguments[0] == "list", approves = arguments.size() == 2 && arguments[0] == "approve";
  if (!lists && !approves) return fail(cat("node: usage: ", kUsage));
  signal(SIGPIPE, SIG_IGN);
  Loop loop;
  int exit_code = 0;
  TaskGroup tasks;
  tasks.start(ask_server(flags->text("run-dir") + "/server.sock", approves ? arguments[1] : std::string(), &exit_code, &loop));
  if (tasks.size() > 0) loop.run();
  return exit_code;
}

}  // namespace bramble

// The binary's entrance: chooses a command by the first argument, or a CNI plugin by the name it was called with.
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>

#include "cni/plugin/plugin_call.h"
#include "core/app/command.h"
#include "core/app/version.h"
#include "core/base/strings.h"

namespace bramble {

std::vector<Command> all_commands() {
  return {
      {"server", "run the control plane and this node", run_server},
      {"agent", "run this machine's node of a cluster whose server is elsewhere", run_agent},
      {"images", "import, pull, list, export, remove and prune images of this node", run_images},
      {"token", "create, list, delete and rotate the tokens by which nodes join", run_token},
      {"node", "list the names of nodes, and give one to another machine", run_node},
      {"secrets-encrypt", "seal Secrets at rest, and change the keys for it", run_secrets_encrypt},
      {"certificate", "check this machine's certificates, and issue the server's anew", run_certificate},
      {"backup", "save, list and restore copies of the cluster's state", run_backup},
      {"check-config", "check this machine, and say what to change", run_check_config},
      {"completion", "print a completion script for bash or zsh", run_completion},
  };
}

std::optional<std::string> environment_variable(std::string_view name) {
  const char* value = std::getenv(std::string(name).c_str());
  if (!value) return std::nullopt;
  return std::string(value);
}

int fail(std::string_view message) {
  std::string line = cat("bramble: ", message, "\n");
  std::fwrite(line.data(), 1, line.size(), stderr);
  return 1;
}

static void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

static std::string usage() {
  std::string out = "bramble: Kubernetes for a shelf of Raspberry Pis, in one binary\n\nUsage:\n  bramble COMMAND [flags]\n\nCommands:\n";
  for (const Command& c : all_commands()) {
    std::string left = cat("  ", c.name);
    left.append(left.size() < 18 ? 18 - left.size() : 1, ' ');
    out += cat(left, c.about, "\n");
  }
  out += "\n  bramble COMMAND --help tells a command's flags; bramble --version the version.\n";
  return out;
}

static int run(int argc, char** argv) {
  std::string_view called = argc > 0 ? argv[0] : "bramble";
  if (size_t slash = called.rfind('/'); slash != std::string_view::npos) called.remove_prefix(slash + 1);
  if (is_cni_plugin(called)) return run_cni_plugin(called);

  std::vector<std::string> args(argv + (argc > 0 ? 1 : 0), argv + argc);
  if (args.empty() || args[0] == "--help" || args[0] == "-h" || args[0] == "help") {
    print(usage());
    return args.empty() ? 1 : 0;
  }
  if (args[0] == "--version" || args[0] == "-v" || args[0] == "version") {
    print(cat("bramble version ", version_text(), "\nkubernetes ", kubernetes_version(), "\n"));
    return 0;
  }
  umask(077);  // what others may reach is given its mode where it is made
  for (const Command& c : all_commands())
    if (c.name == args[0]) return c.run(std::vector<std::string>(args.begin() + 1, args.end()));
  return fail(cat("unknown command ", go_quote(args[0]), "; see bramble --help"));
}

}  // namespace bramble

int main(int argc, char** argv) { return bramble::run(argc, argv); }

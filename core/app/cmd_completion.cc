// bramble completion bash|zsh: a script that completes command names and flags, made from the same tables as --help.
#include <cstdio>

#include "core/app/agent_flags.h"
#include "core/app/command.h"
#include "core/app/flags.h"
#include "core/app/server_flags.h"

namespace bramble {

static std::string words_of(std::span<const FlagSpec> specs) {
  std::string out;
  for (const FlagSpec& s : specs) out += cat(out.empty() ? "" : " ", "--", s.name);
  return out;
}

static std::string bash_script() {
  std::string commands;
  for (const Command& c : all_commands()) commands += cat(commands.empty() ? "" : " ", c.name);
  return cat(
      "_bramble() {\n"
      "  local word=\"${COMP_WORDS[COMP_CWORD]}\" words\n"
      "  case \"${COMP_WORDS[1]}\" in\n"
      "    server) words=\"", words_of(server_flags()), " --help\" ;;\n"
      "    agent) words=\"", words_of(agent_flags()), " --help\" ;;\n"
      "    images) words=\"import pull list export remove prune --help\" ;;\n"
      "    backup) words=\"save list restore confirm --data-dir --run-dir --backup-dir --help\" ;;\n"
      "    token) words=\"create list delete rotate generate --ttl --description --groups --usages --new-token --output --data-dir --run-dir --help\" ;;\n"
      "    node) words=\"list approve --run-dir --help\" ;;\n"
      "    certificate) words=\"check rotate --output --service --data-dir --help\" ;;\n"
      "    secrets-encrypt) words=\"status enable disable rotate-keys reencrypt --run-dir --help\" ;;\n"
      "    completion) words=\"bash zsh\" ;;\n"
      "    check-config) words=\"", words_of(server_flags()), " --clear-quarantine --help\" ;;\n"
      "    *) words=\"", commands, " --help --version\" ;;\n"
      "  esac\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then words=\"", commands, " --help --version\"; fi\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
      "  if [ ${#COMPREPLY[@]} -eq 0 ]; then mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); fi\n"
      "}\n"
      "complete -F _bramble bramble\n");
}

int run_completion(const std::vector<std::string>& argv) {
  if (argv.size() == 1 && (argv[0] == "--help" || argv[0] == "-h")) {
    std::puts("Usage:\n  bramble completion bash|zsh\n\n  source <(bramble completion bash)");
    return 0;
  }
  if (argv.size() != 1 || (argv[0] != "bash" && argv[0] != "zsh"))
    return fail("completion: name a shell: bramble completion bash, or bramble completion zsh");
  std::string script = bash_script();
  if (argv[0] == "zsh") script = "autoload -U +X bashcompinit && bashcompinit\n" + script;
  std::fwrite(script.data(), 1, script.size(), stdout);
  return 0;
}

}  // namespace bramble

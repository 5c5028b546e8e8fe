// bramble secrets-encrypt status|enable|disable|rotate-keys|reencrypt: how Secrets lie on the disk, asked of the running server over
// its local socket (SecretsEncryption).
#include <signal.h>

#include <cstdio>

#include "core/app/command.h"
#include "core/app/local_call.h"
#include "core/app/server_flags.h"
#include "core/loop/loop.h"

namespace bramble {
namespace {

constexpr std::string_view kUsage = "bramble secrets-encrypt status | enable | disable | rotate-keys | reencrypt";
constexpr std::string_view kAbout =
    "Secrets at rest: sealed with AES-GCM, by keys in DATA-DIR/server/cred/encryption-config.json. Keep that file with the backups.\n"
    "  status       whether, and by which keys\n"
    "  enable       seals all Secrets, now and from now on\n"
    "  disable      writes them open again\n"
    "  rotate-keys  seals all Secrets with a new key, then drops the old ones\n"
    "  reencrypt    writes those that have another form than the present one";

std::vector<FlagSpec> flags_of_encryption() {
  std::vector<FlagSpec> out;
  for (const FlagSpec& s : server_flags())
    if (s.name == "config" || s.name == "run-dir") out.push_back(s);
  return out;
}

void print_status(Value answer) {
  const bool enabled = answer["enabled"].boolean();
  std::printf("Encryption Status: %s\n", enabled ? "Enabled" : "Disabled");
  size_t others = 0;
  for (Value f : answer["forms"].items())
    if (f["key"].str() != answer["key"].str()) others += static_cast<size_t>(f["count"].integer());
  std::printf("Current Rotation Stage: %s\n", others == 0 ? "reencrypt_finished" : "start");
  if (others > 0) std::printf("Secrets in another form: %zu\n", others);
  std::printf("\nActive  Key Type  Name\n------  --------  ----\n");
  for (Value k : answer["keys"].items()) std::printf(" %s      AES-GCM   %s\n", enabled && k.str() == answer["key"].str() ? "*" : " ", k.text().c_str());
}

Task<void> ask_server(std::string socket, std::string action, int* exit_code, Loop* loop) {
  const bool looks = action == "status";
  std::string method = looks ? "GET" : "POST", target = looks ? std::string("/v1/encryption") : cat("/v1/encryption/", action);
  auto answer = co_await call_local(socket, method, target, nullptr);
  if (!answer.ok()) *exit_code = fail(cat("secrets-encrypt: ", answer.error().message()));
  else print_status(answer->root());
  loop->stop();
}

}  // namespace

int run_secrets_encrypt(const std::vector<std::string>& argv) {
  Flags::Source source;
  source.specs = server_flags();  // the config file may hold any of them
  source.argv = argv;
  source.environment = environment_variable;
  source.reads_config = true;
  source.takes_arguments = true;
  auto flags = Flags::read(source);
  if (!flags.ok()) return fail(cat("secrets-encrypt: ", flags.error().message()));
  if (flags->help()) {
    std::string text = flags_help(kUsage, kAbout, flags_of_encryption());
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
  }
  const auto& arguments = flags->arguments();
  const std::string action = arguments.size() == 1 ? arguments[0] : std::string();
  bool known = false;
  for (const char* a : {"status", "enable", "disable", "rotate-keys", "reencrypt"}) known = known || action == a;
  if (!known) return fail(cat("secrets-encrypt: usage: ", kUsage));
  signal(SIGPIPE, SIG_IGN);
  Loop loop;
  int exit_code = 0;
  TaskGroup tasks;
  tasks.start(ask_server(flags->text("run-dir") + "/server.sock", action, &exit_code, &loop));
  if (tasks.size() > 0) loop.run();
  return exit_code;
}

}  // namespace bramble

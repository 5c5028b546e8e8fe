// bramble backup save|list|restore|confirm: copies of the cluster's state. save and confirm are asked of the running server over
// its local socket (StoreCare); list reads a folder; restore puts a backup in the place of the store while no server runs.
#include <signal.h>

#include <cstdio>

#include "core/app/command.h"
#include "core/app/local_call.h"
#include "core/app/server_flags.h"
#include "core/loop/loop.h"
#include "storage/backup/backup.h"

namespace bramble {
namespace {

constexpr std::string_view kUsage = "bramble backup save | list | restore FILE | confirm";
constexpr std::string_view kAbout =
    "Copies of the cluster's state, of one file each.\n"
    "  save      the running server makes one now and prints its name\n"
    "  list      those there are, the oldest first\n"
    "  restore   puts one in the place of the present state, which is kept beside it; the server must not run\n"
    "  confirm   after a restore or a repair: what is missing is gone for good, so what hangs on it may be deleted now\n"
    "            rather than half an hour after the start";

std::vector<FlagSpec> flags_of_backup() {
  std::vector<FlagSpec> out;
  for (const FlagSpec& s : server_flags())
    if (s.name == "config" || s.name == "data-dir" || s.name == "run-dir" || s.name == "backup-dir") out.push_back(s);
  return out;
}

int list(const Flags& flags) {
  for (const BackupFile& b : list_backups(backup_dir(flags))) {
    std::string when = b.wall_us ? format_rfc3339(b.wall_us) : std::string("-");
    std::printf("%-22s %10.1f MB  %s\n", when.c_str(), static_cast<double>(b.bytes) / 1e6, b.path.c_str());
  }
  return 0;
}

int restore(const Flags& flags, const std::string& file) {
  RealClock clock;
  RealRandom random;
  auto restored = restore_backup(file, store_dir(flags), random, clock);
  if (!restored.ok()) return fail(cat("backup restore: ", restored.error().message()));
  std::printf("%s\n", restored->text.c_str());
  std::printf("Start the server. For half an hour it deletes nothing merely for being absent; `bramble backup confirm` ends that.\n");
  return 0;
}

Task<void> ask_server(std::string socket, std::string action, int* exit_code, Loop* loop) {
  auto answer = co_await call_local(socket, "POST", action == "save" ? "/v1/backups" : "/v1/epoch/confirm", nullptr);
  if (!answer.ok()) {
    *exit_code = fail(cat("backup ", action, ": ", answer.error().message()));
  } else if (action == "save") {
    std::printf("%s\n", (*answer)["path"].text().c_str());
  } else {
    std::printf("%s\n", (*answer)["was"].str() == "changed" ? "confirmed: what is absent counts as deleted" : "nothing to confirm: the state was neither repaired nor restored");
  }
  loop->stop();
}

int ask(const Flags& flags, const std::string& action) {
  signal(SIGPIPE, SIG_IGN);
  Loop loop;
  int exit_code = 0;
  TaskGroup tasks;
  tasks.start(ask_server(flags.text("run-dir") + "/server.sock", action, &exit_code, &loop));
  if (tasks.size() > 0) loop.run();
  return exit_code;
}

}  // namespace

int run_backup(const std::vector<std::string>& argv) {
  Flags::Source source;
  source.specs = server_flags();  // the config file may hold any of them
  source.argv = argv;
  source.environment = environment_variable;
  source.reads_config = true;
  source.takes_arguments = true;
  auto flags = Flags::read(source);
  if (!flags.ok()) return fail(cat("backup: ", flags.error().message()));
  if (flags->help()) {
    std::string text = flags_help(kUsage, kAbout, flags_of_backup());
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
  }
  const auto& arguments = flags->arguments();
  const std::string action = arguments.empty() ? std::string() : arguments[0];
  if (action == "restore" && arguments.size() == 2) return restore(*flags, arguments[1]);
  if (arguments.size() == 1 && action == "list") return list(*flags);
  if (arguments.size() == 1 && (action == "save" || action == "confirm")) return ask(*flags, action);
  return fail(cat("backup: usage: ", kUsage));
}

}  // namespace bramble

// bramble images import|pull|list|export|remove|prune: images of this node, asked of the running bramble over its local socket (LocalApi).
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/app/command.h"
#include "core/app/flags.h"
#include "core/app/local_call.h"
#include "core/loop/loop.h"

namespace bramble {
namespace {

const FlagSpec kFlags[] = {
    {"run-dir", 0, "BRAMBLE_RUN_DIR", FlagSpec::Kind::kText, "/run/bramble", "Flags", "folder with the running bramble's socket"},
};

constexpr std::string_view kUsage =
    "bramble images import FILE... | pull NAME... | list | export FILE NAME... | remove NAME... | prune";

std::string encoded(std::string_view text) {
  std::string out;
  for (char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '.' || c == '-' || c == '_';
    if (plain) out.push_back(c);
    else out += "%" + hex(std::string_view(&c, 1));
  }
  return out;
}

// One line on a terminal, rewritten; nothing where standard error is a file.
void show_progress(const std::string& file, Value line) {
  int64_t done = line["done"].integer(), total = line["total"].integer();
  if (total <= 0 || !isatty(2)) return;
  int percent = static_cast<int>(std::min<int64_t>(100, done * 100 / total));
  std::fprintf(stderr, "\r%s [%-20.*s] %3d%%", file.c_str(), percent / 5, "####################", percent);
}

void print_image(Value image) {
  std::string_view id = image["id"].str();
  if (id.starts_with("sha256:")) id = id.substr(7, 13);
  auto line = [&](std::string_view name) {
    std::printf("%-52.*s %-15.*s %8.1f MB\n", static_cast<int>(name.size()), name.data(), static_cast<int>(id.size()), id.data(),
                static_cast<double>(image["sizeBytes"].integer()) / 1e6);
  };
  if (image["names"].size() == 0) line("<none>");
  for (Value name : image["names"].items()) line(name.str());
}

Task<void> run_all(std::string socket, std::vector<std::string> arguments, int* exit_code, Loop* loop) {
  const std::string action = arguments[0];
  std::vector<std::string> what(arguments.begin() + 1, arguments.end());
  if (action == "list" || action == "prune" || action == "export") what = {""};
  for (const std::string& item : what) {
    std::string method = action == "list" ? "GET" : action == "remove" ? "DELETE" : "POST", target = "/v1/images";
    if (action == "import") {
      char real[PATH_MAX];
      if (!realpath(item.c_str(), real)) {
        *exit_code = fail(cat("images import: ", Error::from_errno(errno, item).message()));
        continue;
      }
      target += cat("?path=", encoded(real));
    } else if (action == "remove") {
      target += cat("?name=", encoded(item));
    } else if (action == "pull") {
      target += cat("/pull?name=", encoded(item));
    } else if (action == "prune") {
      target += "/prune";
    } else if (action == "export") {
      // The server writes it, from a working folder of its own.
      std::string file = arguments[1];
      char here[PATH_MAX];
      if (!file.starts_with("/") && getcwd(here, sizeof here)) file = cat(here, "/", file);
      target += cat("/export?path=", encoded(file));
      for (size_t i = 2; i < arguments.size(); i++) target += cat("&name=", encoded(arguments[i]));
    }
    std::string shown = action == "export" ? arguments[1] : item;
    std::function<void(Value)> progress = [shown](Value line) { show_progress(shown, line); };
    auto answer = co_await call_local(socket, method, target, progress);
    if (isatty(2)) std::fprintf(stderr, "\r\033[K");
    if (!answer.ok()) {
      *exit_code = fail(cat("images ", action, ": ", answer.error().message()));
      continue;
    }
    for (Value image : (*answer)["images"].items()) print_image(image);
    if (action == "remove") std::printf("removed %s\n", item.c_str());
    if (action == "prune") std::printf("removed %zu images that no container has\n", (*answer)["images"].size());
  }
  loop->stop();
}

}  // namespace

int run_images(const std::vector<std::string>& argv) {
  Flags::Source source;
  source.specs = kFlags;
  source.argv = argv;
  source.environment = environment_variable;
  source.takes_arguments = true;
  auto flags = Flags::read(source);
  if (!flags.ok()) return fail(cat("images: ", flags.error().message()));
  if (flags->help()) {
    std::string text = flags_help(kUsage, "Images of this node. Archives that are imported are Docker's or OCI's, plain, gzip or zstd; exported ones are OCI's. What is imported\nstays until it is removed; what was pulled goes when no container has it and the disk is full, or by prune. Registries: see registries.yaml.", kFlags);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
  }
  const auto& arguments = flags->arguments();
  const std::string action = arguments.empty() ? "" : arguments[0];
  size_t given = arguments.empty() ? 0 : arguments.size() - 1;
  bool alone = action == "list" || action == "prune", several = action == "import" || action == "remove" || action == "pull";
  bool good = (alone && given == 0) || (several && given > 0) || (action == "export" && given > 1);
  if (!good) return fail(cat("images: usage: ", kUsage));
  signal(SIGPIPE, SIG_IGN);
  Loop loop;
  int exit_code = 0;
  TaskGroup tasks;
  tasks.start(run_all(flags->text("run-dir") + "/bramble.sock", arguments, &exit_code, &loop));
  // A failure may have ended it before the loop runs: stop() is remembered.
  if (tasks.size() > 0) loop.run();
  return exit_code;
}

}  // namespace bramble

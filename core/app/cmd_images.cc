// bramble images import|list|remove: images of this node, asked of the running bramble over its local socket (LocalApi).
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
    "bramble images import FILE... | list | remove NAME...";

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
  if (action == "list") what = {""};
  for (const std::string& item : what) {
    std::string method = action == "list" ? "GET" : action == "import" ? "POST" : "DELETE", target = "/v1/images";
    if (action == "import") {
      char real[PATH_MAX];
      if (!realpath(item.c_str(), real)) {
        *exit_code = fail(cat("images import: ", Error::from_errno(errno, item).message()));
        continue;
      }
      target += cat("?path=", encoded(real));
    } else if (action == "remove") {
      target += cat("?name=", encoded(item));
    }
    std::function<void(Value)> progress = [item](Value line) { show_progress(item, line); };
    auto answer = co_await call_local(socket, method, target, progress);
    if (action == "import" && isatty(2)) std::fprintf(stderr, "\r\033[K");
    if (!answer.ok()) {
      *exit_code = fail(cat("images ", action, ": ", answer.error().message()));
      continue;
    }
    for (Value image : (*answer)["images"].items()) print_image(image);
    if (action == "remove") std::printf("removed %s\n", item.c_str());
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
    std::string text = flags_help(kUsage, "Images of this node. Archives are Docker's or OCI's, plain, gzip or zstd.", kFlags);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
  }
  const auto& arguments = flags->arguments();
  bool known = !arguments.empty() && (arguments[0] == "list" || arguments[0] == "import" || arguments[0] == "remove");
  if (!known || (arguments[0] == "list") != (arguments.size() == 1)) return fail(cat("images: usage: ", kUsage));
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

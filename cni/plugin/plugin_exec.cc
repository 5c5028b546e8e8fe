#include "cni/plugin/plugin_exec.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "cni/plugin/network_list.h"
#include "core/base/limits_network.h"
#include "core/base/strings.h"
#include "core/base/unique_fd.h"

namespace bramble {
namespace {

int64_t now_ms() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct Pipe {
  UniqueFd read, write;
};

Result<Pipe> make_pipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return Error::from_errno(errno, "pipe");
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Result<std::string> find_program(const PluginCall& call) {
  for (const std::string& folder : call.folders) {
    std::string path = cat(folder, "/", call.type);
    struct stat file {};
    if (stat(path.c_str(), &file) == 0 && S_ISREG(file.st_mode)) return path;
  }
  return Error(Code::kNotFound, cat("failed to find plugin ", go_quote(call.type), " in path [", join(call.folders, " "), "]"));
}

std::vector<std::string> environment_of(const PluginCall& call) {
  std::vector<std::string> out;
  for (char** e = environ; *e; e++)
    if (!std::string_view(*e).starts_with("CNI_")) out.push_back(*e);
  out.push_back(cat("CNI_COMMAND=", call.command));
  out.push_back(cat("CNI_CONTAINERID=", call.container_id));
  out.push_back(cat("CNI_NETNS=", call.netns));
  out.push_back(cat("CNI_ARGS=", call.arguments));
  out.push_back(cat("CNI_IFNAME=", call.interface_name));
  out.push_back(cat("CNI_PATH=", join(call.folders, ":")));
  return out;
}

Result<pid_t> spawn(const std::string& program, const PluginCall& call, const Pipe& in, const Pipe& out, const Pipe& err) {
  std::vector<std::string> env = environment_of(call);
  std::vector<char*> environment;
  for (std::string& e : env) environment.push_back(e.data());
  environment.push_back(nullptr);
  std::string name = program;
  char* arguments[] = {name.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.read.get(), 0);
  posix_spawn_file_actions_adddup2(&actions, out.write.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, err.write.get(), 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);  // SIGPIPE is ignored here, plugins expect it
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = 0;
  int failed = posix_spawn(&pid, program.c_str(), &actions, &attributes, arguments, environment.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed) return Error::from_errno(failed, program);
  return pid;
}

// Feeds it and reads what it says until it has closed both ends. False: it took too long.
bool converse(const std::string& config, UniqueFd in, UniqueFd out, UniqueFd err, std::string* said, std::string* complained) {
  const int64_t end = now_ms() + limits::kCniPluginMs;
  for (const UniqueFd* fd : {&in, &out, &err}) fcntl(fd->get(), F_SETFL, O_NONBLOCK);
  size_t written = 0;
  auto drain = [](UniqueFd* fd, std::string* into) {
    char buffer[8192];
    for (;;) {
      ssize_t n = read(fd->get(), buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) return fd->reset();
      if (into->size() < limits::kCniAnswerBytesMax) into->append(buffer, static_cast<size_t>(n));
    }
  };
  while (out.valid() || err.valid()) {
    if (written == config.size()) in.reset();
    pollfd waiting[3] = {{in.valid() ? in.get() : -1, POLLOUT, 0}, {out.valid() ? out.get() : -1, POLLIN, 0}, {err.valid() ? err.get() : -1, POLLIN, 0}};
    int64_t left = end - now_ms();
    if (left <= 0) return false;
    if (poll(waiting, 3, static_cast<int>(left)) < 0 && errno != EINTR) return false;
    if (waiting[0].revents) {
      ssize_t n = write(in.get(), config.data() + written, config.size() - written);
      if (n > 0) written += static_cast<size_t>(n);
      else if (n < 0 && errno != EAGAIN && errno != EINTR) in.reset();  // it does not read: its own business
    }
    if (waiting[1].revents) drain(&out, said);
    if (waiting[2].revents) drain(&err, complained);
  }
  return true;
}

}  // namespace

Result<std::string> run_plugin(const PluginCall& call) {
  auto failed = [&](std::string_view why) { return Error(Code::kIo, cat("plugin type=", go_quote(call.type), " failed (", lower(call.command), "): ", why)); };
  TRY_ASSIGN(std::string program, find_program(call));
  TRY_ASSIGN(Pipe in, make_pipe());
  TRY_ASSIGN(Pipe out, make_pipe());
  TRY_ASSIGN(Pipe err, make_pipe());
  auto pid = spawn(program, call, in, out, err);
  if (!pid.ok()) return failed(pid.error().message());
  in.read.reset();
  out.write.reset();
  err.write.reset();
  std::string said, complained;
  bool in_time = converse(call.config, std::move(in.write), std::move(out.read), std::move(err.read), &said, &complained);
  if (!in_time) kill(*pid, SIGKILL);
  int status = 0;
  while (waitpid(*pid, &status, 0) < 0)
    if (errno != EINTR) return failed(Error::from_errno(errno, "wait").message());
  if (!in_time) return failed(cat("no answer within ", limits::kCniPluginMs / 1000, " s"));
  if (WIFSIGNALED(status)) return failed(cat("netplugin failed with no error message: signal: ", strsignal(WTERMSIG(status))));
  if (WEXITSTATUS(status) != 0) return failed(plugin_complaint(said, complained, WEXITSTATUS(status)));
  return said;
}

}  // namespace bramble

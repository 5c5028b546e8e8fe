// What a shim is sent, and what it answers: frames cut anywhere, lies about their length, orders for containers that are not there,
// callers that go away in between. The runtime is a program that does nothing, so that no order comes to life.
#include <stddef.h>
#include <stdint.h>

#define main shim_main
#include "core/runtime/shim/shim_main.cc"
#undef main

#include "core/base/check.h"
#include "core/base/strings.h"
#include "core/runtime/shim_client.h"

namespace {

using namespace bramble;

std::string root, log_path;

void begin_once() {
  static bool begun = false;
  if (std::exchange(begun, true)) return;
  char name[] = "/dev/shm/shim-fuzz-XXXXXX";
  CHECK(mkdtemp(name) != nullptr, "mkdtemp");
  root = name;
  log_path = root + "/log";
  CHECK(mkdir((root + "/containers").c_str(), 0700) == 0, root);
  shim::pod_dir = root.c_str();
  shim::runtime_path = "/bin/true";
  shim::runtime_root = root.c_str();
  shim::command_ns = 10000000000;
  shim::epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  shim::command_timer = shim::Source{timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), 0, shim::command_timer_ready, nullptr, nullptr};
  atexit([] {
    unlink(log_path.c_str());
    rmdir((root + "/containers").c_str());
    rmdir(root.c_str());
  });
}

shim::Conn* connect(int fd) {
  auto* c = static_cast<shim::Conn*>(calloc(1, sizeof(shim::Conn)));
  c->source = shim::Source{fd, 0, shim::conn_ready, c, nullptr};
  c->next = shim::conns;
  shim::conns = c;
  ++shim::conn_count;
  shim::conn_interest(c);
  return c;
}

void bury_dead() {
  while (shim::dead_sources) {
    shim::Source* s = shim::dead_sources;
    shim::dead_sources = s->next_dead;
    free(s->owner);
  }
}

// Orders that make sense, from bytes: what raw bytes seldom come to.
std::string orders(std::string_view bytes) {
  static const char* const kIds[] = {"a", "b", "", ".hidden", "x/y", "a-very-long-name"};
  std::string out;
  for (size_t i = 0; i + 2 < bytes.size(); i += 3) {
    uint8_t type = static_cast<uint8_t>(bytes[i]) % 50, flags = static_cast<uint8_t>(bytes[i + 1]);
    if (type == shim::kShutdown) continue;
    std::string body, id = kIds[static_cast<uint8_t>(bytes[i + 2]) % std::size(kIds)];
    if (type == shim::kCreate || type == shim::kExec || type == shim::kAttach) body += static_cast<char>(flags);
    if (type == shim::kKill) body += std::string(4, static_cast<char>(flags));
    body += id;
    if (flags != 255) body += '\0';
    if (type == shim::kCreate || type == shim::kExec) body += cat(log_path, std::string_view("\0", 1));
    out += encode_shim_frame(type, body);
  }
  return out;
}

void send_to_shim(std::string bytes, size_t piece) {
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0, "socketpair");
  shim::Conn* c = connect(ends[0]);
  std::string answers;
  char buffer[4096];
  auto listen = [&] {
    for (ssize_t n; (n = recv(ends[1], buffer, sizeof buffer, MSG_DONTWAIT)) > 0;) answers.append(buffer, static_cast<size_t>(n));
  };
  for (size_t at = 0; at < bytes.size() && c->source.fd >= 0; at += piece) {
    if (send(ends[1], bytes.data() + at, std::min(piece, bytes.size() - at), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) break;
    shim::conn_ready(&c->source, EPOLLIN);
    listen();
  }
  // What the commands that were begun come to.
  while (shim::commands) {
    int status;
    pid_t pid = waitpid(-1, &status, 0);
    if (pid < 0 && errno == EINTR) continue;  // the fuzzer has a timer
    if (pid <= 0) break;
    if (shim::Command* k = shim::find_command(pid)) shim::command_ended(k, status);
  }
  if (c->source.fd >= 0) shim::conn_flush(c);
  listen();
  close(ends[1]);
  if (c->source.fd >= 0) shim::close_conn(c);
  bury_dead();
  CHECK(!shim::conns && !shim::commands, "something is left");
  for (;;) {
    auto frame = take_shim_frame(answers);
    CHECK(frame.ok(), "the shim sent no frame");
    if (!*frame) break;
    if ((*frame)->type == shim::kState) CHECK(decode_container_state((*frame)->body).has_value(), "a state");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  begin_once();
  std::string_view bytes(reinterpret_cast<const char*>(data + 2), std::min<size_t>(size - 2, 1 << 16));
  size_t piece = data[1] ? data[1] : 4096;
  if (data[0] & 1) {
    send_to_shim(orders(bytes.substr(0, 30)), piece);
  } else {
    std::string raw(bytes);
    for (size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] == '/') raw[i] = '_';  // it would be a path of this machine
      if (i > 0 && raw[i - 1] == shim::kVersion && raw[i] == shim::kShutdown) raw[i] = shim::kSettle;  // this process would end
    }
    send_to_shim(raw, piece);
  }
  // The other side reads the same bytes from a shim.
  std::string in(bytes);
  for (;;) {
    auto frame = bramble::take_shim_frame(in);
    if (!frame.ok() || !*frame) break;
    auto state = bramble::decode_container_state((*frame)->body);
    if (state) CHECK(state->id.size() <= (*frame)->body.size(), "longer than what was sent");
  }
  return 0;
}

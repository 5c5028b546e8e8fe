#include "core/loop/resolve.h"

#include <ares.h>
#include <arpa/inet.h>
#include <sys/time.h>

#include <map>
#include <mutex>

#include "core/base/limits.h"
#include "core/base/strings.h"
#include "core/loop/loop.h"
#include "core/loop/socket.h"

namespace bramble {
namespace {

// One question. c-ares says which descriptors it waits for; the loop watches them.
class Resolver {
 public:
  explicit Resolver(std::string name) : name_(std::move(name)), alarm_([this] { process(ARES_SOCKET_BAD, 0); }) {}
  ~Resolver() {
    dropped_ = true;
    watches_.clear();
    if (channel_) ares_destroy(channel_);
  }
  Resolver(const Resolver&) = delete;

  Task<Result<std::vector<std::string>>> ask(ResolveFiles files) {
    static std::once_flag library;
    std::call_once(library, [] { ares_library_init(ARES_LIB_INIT_ALL); });
    ares_options options{};
    options.timeout = static_cast<int>(limits::kResolveTryMs);
    options.tries = limits::kResolveTries;
    options.sock_state_cb = [](void* self, ares_socket_t fd, int read, int write) { static_cast<Resolver*>(self)->watch(fd, read, write); };
    options.sock_state_cb_data = this;
    options.hosts_path = files.hosts.data();
    options.resolvconf_path = files.resolv_conf.data();
    int rc = ares_init_options(&channel_, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB | ARES_OPT_HOSTS_FILE | ARES_OPT_RESOLVCONF);
    if (rc != ARES_SUCCESS) co_return Error(Code::kUnavailable, cat("lookup ", name_, ": ", ares_strerror(rc)));
    ares_addrinfo_hints hints{};
    hints.ai_family = AF_UNSPEC;
    ares_getaddrinfo(
        channel_, name_.c_str(), nullptr, &hints,
        [](void* self, int status, int, ares_addrinfo* found) { static_cast<Resolver*>(self)->finish(status, found); }, this);
    arm();
    Timer deadline([this] {
      if (result_) return;
      result_.emplace(Error(Code::kTimeout, cat("lookup ", name_, ": the name servers did not answer")));
      done_.set();
    });
    deadline.arm_ms(limits::kResolveMs);
    while (!result_) co_await done_.wait();
    // What told of it may still be inside c-ares: that ends before the channel does.
    co_await sleep_ms(0);
    co_return std::move(*result_);
  }

 private:
  void watch(ares_socket_t fd, int read, int write) {
    if (dropped_) return;
    watches_.erase(fd);
    if (!read && !write) return;
    int events = (read ? FdWatch::kReadable : 0) | (write ? FdWatch::kWritable : 0);
    watches_[fd] = std::make_unique<FdWatch>(fd, events, [this, fd](int got) { process(fd, got); });
  }
  // Nothing of this object may be touched by the caller afterwards but through `this`, which lives until ask() has ended.
  void process(ares_socket_t fd, int events) {
    ares_socket_t read = events & FdWatch::kReadable ? fd : ARES_SOCKET_BAD, write = events & FdWatch::kWritable ? fd : ARES_SOCKET_BAD;
    ares_process_fd(channel_, read, write);
    arm();
  }
  void arm() {
    timeval wait{};
    if (timeval* next = ares_timeout(channel_, nullptr, &wait)) alarm_.arm_ms(next->tv_sec * 1000 + next->tv_usec / 1000 + 1);
    else alarm_.disarm();
  }
  void finish(int status, ares_addrinfo* found) {
    if (dropped_ || result_) {
      if (found) ares_freeaddrinfo(found);
      return;
    }
    if (status != ARES_SUCCESS) {
      bool absent = status == ARES_ENOTFOUND || status == ARES_ENODATA;
      std::string why = absent ? "no such host" : status == ARES_ETIMEOUT ? "the name servers did not answer" : lower(ares_strerror(status));
      result_.emplace(Error(absent ? Code::kNotFound : status == ARES_ETIMEOUT ? Code::kTimeout : Code::kUnavailable, cat("lookup ", name_, ": ", why)));
    } else {
      std::vector<std::string> out;
      for (ares_addrinfo_node* n = found->nodes; n; n = n->ai_next) out.push_back(SocketAddress::from_raw(n->ai_addr, n->ai_addrlen).host());
      ares_freeaddrinfo(found);
      result_.emplace(std::move(out));
    }
    done_.set();
  }

  std::string name_;
  bool dropped_ = false;
  ares_channel_t* channel_ = nullptr;
  std::map<ares_socket_t, std::unique_ptr<FdWatch>> watches_;
  Timer alarm_;
  std::optional<Result<std::vector<std::string>>> result_;
  Event done_;
};

}  // namespace

Task<Result<std::vector<std::string>>> resolve_host(std::string name, ResolveFiles files) {
  if (SocketAddress::ip(name, 0).ok() && !name.empty()) co_return std::vector<std::string>{name};
  auto resolver = std::make_unique<Resolver>(std::move(name));
  auto found = co_await resolver->ask(std::move(files));
  co_return found;
}

}  // namespace bramble

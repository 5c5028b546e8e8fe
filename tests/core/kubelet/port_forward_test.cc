// Connections into a pod.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "core/base/unique_fd.h"
#include "tests/core/kubelet/kubelet_fixture.h"

namespace bramble {
namespace {

// A port whose queue of connections is full: whoever connects waits.
class BusyPort {
 public:
  BusyPort() {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    auto* raw = reinterpret_cast<sockaddr*>(&address_);
    listener_.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(bind(listener_.get(), raw, size), 0);
    EXPECT_EQ(listen(listener_.get(), 0), 0);
    getsockname(listener_.get(), raw, &size);
    for (auto& fd : fillers_) {
      fd.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      if (connect(fd.get(), raw, size) == 0) continue;
      EXPECT_EQ(errno, EINPROGRESS);
    }
  }
  uint16_t number() const { return ntohs(address_.sin_port); }
  // How many are waiting to be connected to it.
  int waiting() const {
    std::istringstream in(slurp("/proc/net/tcp"));
    char tail[16];
    snprintf(tail, sizeof tail, ":%04X 02", number());
    int n = 0;
    for (std::string line; std::getline(in, line);) n += line.find(tail) != std::string::npos ? 1 : 0;
    return n - waiting_fillers_;
  }
  void note_fillers() { waiting_fillers_ = waiting(); }

 private:
  sockaddr_in address_{};
  UniqueFd listener_, fillers_[3];
  int waiting_fillers_ = 0;
};

class PortForward : public KubeletTest {
 protected:
  Task<void> forward(uint16_t port) {
    auto stream = co_await kubelet_->port_forward(key("h"), port);
    EXPECT_FALSE(stream.ok());
  }
};

TEST_F(PortForward, connections_that_hang_stop_nothing_and_leave_nothing) {
  BusyPort busy;
  busy.note_fillers();
  start_kubelet();
  put_pod("h", R"("hostNetwork":true,"containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])");
  RUN({
    Document d = co_await until_phase("h", "Running");
    (void)d;
  });
  TaskGroup forwards;
  for (int i = 0; i < 6; ++i) forwards.start(forward(busy.number()));
  put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])");
  auto more = [this, &busy, &forwards]() -> Task<void> {
    Document d = co_await until_phase("p", "Running");
    EXPECT_EQ(busy.waiting(), 6);
    forwards.cancel_all();
    EXPECT_EQ(busy.waiting(), 0);
  };
  run(more());
}

TEST_F(PortForward, a_port_that_nobody_listens_on_is_told_as_upstream_does) {
  start_kubelet();
  put_pod("h", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])");
  RUN({
    Document d = co_await until_phase("h", "Running");
    auto stream = co_await kubelet_->port_forward(key("h"), 7);
    EXPECT_FALSE(stream.ok());
    if (stream.ok()) co_return;
    EXPECT_EQ(stream.error().message(),
              cat("failed to connect to localhost:7 inside namespace \"", base_, "/run/pods/uid-h/ns/net\": dial tcp4 127.0.0.1:7: connect: connection refused"));
  });
}

}  // namespace
}  // namespace bramble

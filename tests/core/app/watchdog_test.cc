// Signs of life to the service manager, on a socket as systemd has one.
#include "core/app/watchdog.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "core/base/strings.h"
#include "core/base/unique_fd.h"
#include "tests/core/loop/run_task.h"

namespace bramble {
namespace {

class WatchdogTest : public testing::Test {
 protected:
  WatchdogTest() {
    std::string path = cat("/tmp/bramble-notify-", getpid());
    unlink(path.c_str());
    fd_ = UniqueFd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size());
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~WatchdogTest() override {
    unlink(getenv("NOTIFY_SOCKET"));
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
  }
  int signs() {
    char text[64];
    for (ssize_t n; (n = recv(fd_.get(), text, sizeof text, 0)) > 0;) {
      EXPECT_EQ(std::string_view(text, static_cast<size_t>(n)), "WATCHDOG=1");
      signs_++;
    }
    return signs_;
  }
  Loop loop_;
  UniqueFd fd_;
  int signs_ = 0;
};

TEST_F(WatchdogTest, is_fed_from_the_loop_again_and_again) {
  Watchdog watchdog(2000);
  EXPECT_EQ(signs(), 1);
  run_until(loop_, [&] { return signs() >= 4; });
}

TEST_F(WatchdogTest, is_left_alone_where_nobody_asks) {
  struct Row {
    const char* name;
    std::string usec, pid;
    int64_t expected;
  };
  for (const Row& row : {Row{"for us", "30000000", cat(getpid()), 30000000}, Row{"for whoever reads it", "30000000", "", 30000000},
                         Row{"for our parent", "30000000", "1", 0}, Row{"nonsense", "x", "", 0}, Row{"nobody", "", "", 0}}) {
    for (const auto& [name, value] : {std::pair<const char*, std::string>{"WATCHDOG_USEC", row.usec}, {"WATCHDOG_PID", row.pid}})
      value.empty() ? unsetenv(name) : setenv(name, value.c_str(), 1);
    EXPECT_EQ(watchdog_interval_us(), row.expected) << row.name;
  }
  Watchdog watchdog(0);
  run_task(loop_, sleep_ms(5));
  EXPECT_EQ(signs(), 0);
}

}  // namespace
}  // namespace bramble

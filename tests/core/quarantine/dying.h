// For tests of rooms: a quarantine file in /tmp, and processes that die in the middle of something.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/quarantine/quarantine.h"

namespace bramble {

class DyingProcesses {
 public:
  DyingProcesses() {
    char name[] = "/tmp/bramble-quarantine-XXXXXX";
    int fd = mkstemp(name);
    EXPECT_GE(fd, 0);
    close(fd);
    path = name;
  }
  ~DyingProcesses() { unlink(path.c_str()); }

  // A process of its own that opens the file and does this. Gives the signal it died of, or 0.
  template <class F>
  int run(const F& work) {
    pid_t pid = fork();
    if (pid == 0) {
      int quiet = ::open("/dev/null", O_WRONLY);
      dup2(quiet, 2);
      auto q = Quarantine::open(path);
      if (!q.ok()) _exit(9);
      (*q)->watch_for_crashes();
      work(q->get());
      _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0) << WEXITSTATUS(status);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }
  // Dies in a step of this room on this object, so many times.
  void die_at(const std::string& room, const std::string& key, const Quarantine::About& about, int times = 2) {
    for (int i = 0; i < times; i++) {
      int signal = run([&](Quarantine* q) {
        Quarantine::Step step(q, room, key, [&] { return about; });
        if (step.allowed()) abort();
      });
      EXPECT_EQ(signal, SIGABRT);
    }
  }
  std::unique_ptr<Quarantine> open() {
    auto q = Quarantine::open(path);
    EXPECT_TRUE(q.ok());
    return q.ok() ? std::move(*q) : nullptr;
  }
  // "room: key", of what is set aside.
  std::vector<std::string> set_aside() const {
    std::vector<std::string> out;
    auto entries = Quarantine::read(path);
    EXPECT_TRUE(entries.ok());
    for (const Quarantine::Entry& e : *entries) out.push_back(cat(e.room, ": ", e.key));
    return out;
  }
  std::string path;
};

}  // namespace bramble

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/loop/loop.h"
#include "tests/core/loop/run_task.h"

namespace bramble {
namespace {

ProcessSpec shell(std::string script) {
  ProcessSpec spec;
  spec.argv = {"sh", "-c", std::move(script)};
  return spec;
}

TEST(Process, collects_output_and_exit_code) {
  Loop loop;
  auto r = run_task(loop, run_process(shell("echo out; echo err >&2; exit 3")));
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->exit_code, 3);
  EXPECT_EQ(r->signal, 0);
  EXPECT_EQ(r->out, "out\n");
  EXPECT_EQ(r->err, "err\n");
}

TEST(Process, what_the_service_manager_says_to_this_process_is_not_handed_on) {
  Loop loop;
  setenv("NOTIFY_SOCKET", "/run/notify", 1);
  setenv("WATCHDOG_USEC", "1000", 1);
  setenv("HANDED_ON", "yes", 1);
  auto r = run_task(loop, run_process(shell("echo \"$NOTIFY_SOCKET$WATCHDOG_USEC$HANDED_ON\"")));
  unsetenv("NOTIFY_SOCKET");
  unsetenv("WATCHDOG_USEC");
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->out, "yes\n");
}

TEST(Process, feeds_standard_input_larger_than_a_pipe) {
  Loop loop;
  ProcessSpec spec = shell("wc -c");
  spec.stdin_data = std::string(300000, 'x');
  auto r = run_task(loop, run_process(std::move(spec)));
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(std::string(trim(r->out)), "300000");
}

TEST(Process, a_child_that_ignores_its_input_is_no_error) {
  Loop loop;
  ProcessSpec spec = shell("exit 0");
  spec.stdin_data = std::string(300000, 'x');
  auto r = run_task(loop, run_process(std::move(spec)));
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->exit_code, 0);
}

TEST(Process, uses_environment_and_working_directory) {
  Loop loop;
  ProcessSpec spec = shell("echo $A; pwd");
  spec.env = {"A=b", "PATH=/usr/bin:/bin"};
  spec.cwd = "/usr";
  auto r = run_task(loop, run_process(std::move(spec)));
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->out, "b\n/usr\n");
}

TEST(Process, writes_to_a_given_descriptor) {
  Loop loop;
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  ProcessSpec spec = shell("echo hello");
  spec.stdout_fd = fds[1];
  auto r = run_task(loop, run_process(std::move(spec)));
  ASSERT_TRUE(r.ok());
  char text[16] = "";
  EXPECT_EQ(read(fds[0], text, sizeof text), 6);
  EXPECT_EQ(std::string(text, 6), "hello\n");
  close(fds[0]);
  close(fds[1]);
}

TEST(Process, a_missing_program_is_not_found) {
  Loop loop;
  ProcessSpec spec;
  spec.argv = {"no-such-program-anywhere"};
  auto r = run_task(loop, run_process(std::move(spec)));
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.error().code(), Code::kNotFound);
}

TEST(Process, a_signal_is_128_more) {
  Loop loop;
  auto r = run_task(loop, run_process(shell("kill -TERM $$")));
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->signal, SIGTERM);
  EXPECT_EQ(r->exit_code, 128 + SIGTERM);
}

TEST(Process, is_killed_at_its_timeout) {
  Loop loop;
  ProcessSpec spec = shell("exec sleep 60");
  spec.timeout_ms = 20;
  auto r = run_task(loop, run_process(std::move(spec)));
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.error().code(), Code::kTimeout);
}

TEST(Process, a_grandchild_with_the_pipe_is_not_waited_for) {
  Loop loop;
  auto r = run_task(loop, run_process(shell("sleep 5 & echo started")));
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->out, "started\n");
}

TEST(Process, output_is_cut_at_the_limit) {
  Loop loop;
  auto r = run_task(loop, run_process(shell("head -c 3000000 /dev/zero")));
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->out.size(), limits::kProcessOutputBytesMax);
}

Task<void> run_and_forget(ProcessSpec spec) {
  Result<ProcessResult> r = co_await run_process(spec);
  (void)r;
}

TEST(Process, dropping_the_task_kills_and_reaps_the_process) {
  Loop loop;
  char path[] = "/tmp/process_test_XXXXXX";
  int fd = mkstemp(path);
  ASSERT_GE(fd, 0);
  auto size = [&] { return lseek(fd, 0, SEEK_END); };
  pid_t pid = 0;
  {
    TaskGroup group;
    ProcessSpec spec = shell(cat("echo $$ > ", path, "; exec sleep 60"));
    group.start(run_and_forget(std::move(spec)));
    run_until(loop, [&] { return size() > 1; });
    char text[32] = "";
    ASSERT_GT(pread(fd, text, sizeof text - 1, 0), 0);
    pid = atoi(text);
  }
  run_until(loop, [&] { return kill(pid, 0) != 0; });  // the pid is gone, not a zombie
  unlink(path);
  close(fd);
}

}  // namespace
}  // namespace bramble

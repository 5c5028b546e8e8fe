// Targets of the kubelet's port, written by the API server and read by the kubelet.
#include "core/client/kubelet_connect.h"

#include <gtest/gtest.h>

#include "core/client/remote_readings.h"

namespace bramble {
namespace {

TEST(KubeletPath, is_read_as_it_was_written) {
  KubeletPath path{{"default", "p"}, "c"};
  LogOptions log;
  log.follow = log.timestamps = true;
  log.tail_lines = 5;
  log.since_time_us = 1767323045000000;
  std::string text = path.log(log);
  EXPECT_EQ(text, "/containerLogs/default/p/c?follow=true&timestamps=true&tailLines=5&sinceTime=2026-01-02T03%3a04%3a05.000000Z");
  auto parse = [](const std::string& target) {
    size_t mark = target.find('?');
    return parse_kubelet_path(std::string_view(target).substr(0, mark), mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1));
  };
  auto asked = parse(text);
  ASSERT_TRUE(asked.ok() && *asked);
  EXPECT_EQ((*asked)->kind, KubeletAsk::kLog);
  EXPECT_EQ((*asked)->pod.text(), "default/p");
  EXPECT_EQ((*asked)->log.container, "c");
  EXPECT_TRUE((*asked)->log.follow && (*asked)->log.timestamps && !(*asked)->log.previous);
  EXPECT_EQ((*asked)->log.tail_lines, 5);
  EXPECT_EQ((*asked)->log.since_time_us, 1767323045000000);
  ExecOptions exec;
  exec.command = {"sh", "-c", "echo a&b c"};
  exec.stdin_on = exec.stdout_on = exec.tty = true;
  auto run = parse(path.command(exec));
  ASSERT_TRUE(run.ok() && *run);
  EXPECT_EQ((*run)->kind, KubeletAsk::kExec);
  EXPECT_EQ((*run)->command.command, exec.command);
  EXPECT_TRUE((*run)->command.stdin_on && (*run)->command.stdout_on && (*run)->command.tty && !(*run)->command.stderr_on);
  auto forward = parse(path.port_forward({"80", "443"}));
  ASSERT_TRUE(forward.ok() && *forward);
  EXPECT_EQ((*forward)->ports, (std::vector<std::string>{"80", "443"}));
}

TEST(KubeletPath, says_what_it_does_not_understand) {
  struct Case {
    const char *path, *query, *said;
  };
  const Case cases[] = {
      {"/pods", "", "none"},
      {"/exec/ns/p", "", "none"},
      {"/exec/ns/p/uid/c", "command=a", "c"},
      {"/containerLogs/ns/p/c", "tailLines=x", "strconv.ParseInt: parsing \"x\": invalid syntax"},
      {"/containerLogs/ns/p/c", "limitBytes=-1", "limitBytes: must be greater than or equal to 0"},
      {"", "", "none"},
  };
  for (const Case& c : cases) {
    auto asked = parse_kubelet_path(c.path, c.query);
    std::string said = !asked.ok() ? asked.error().message() : *asked ? (*asked)->command.container : "none";
    EXPECT_EQ(said, c.said) << c.path;
  }
}

TEST(RemoteReadings, a_sample_is_read_as_it_was_written) {
  NodeSample sample;
  sample.taken_us = 5, sample.window_us = 7;
  sample.usage.cpu_nano_cores = 11;
  sample.usage.memory_bytes = 13;
  PodSample pod;
  pod.pod = {"default", "p"};
  pod.uid = "u";
  pod.window_us = 17;
  pod.containers.push_back({"c", {19, 23, 29, true}});
  sample.pods.push_back(pod);
  auto read = parse_sample(sample_text(sample));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(sample_text(*read), sample_text(sample));
  EXPECT_EQ(read->pods[0].containers[0].usage.swap_bytes, 29u);
  EXPECT_FALSE(parse_sample("{}").ok());
}

}  // namespace
}  // namespace bramble

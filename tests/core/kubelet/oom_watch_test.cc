// The kernel's log: which ends of processes are the machine's.
#include "core/kubelet/oom_watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/strings.h"

namespace bramble {
namespace {

std::string tell(const std::vector<const char*>& records) {
  OomReader reader;
  std::string out;
  for (const char* record : records)
    if (auto victim = reader.read(record)) out += cat(oom_message(*victim), "; ");
  return out;
}

TEST(OomRecords, tell_of_the_machines_want) {
  struct Case {
    const char* name;
    std::vector<const char*> records;
    const char* told;
  };
  const char* invoked = "4,100,5000,-;stress invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n SUBSYSTEM=x\n";
  const char* global = "6,101,5001,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/kubepods/besteffort/podx/y,task=stress,pid=4242,uid=0\n";
  const char* of_group = "6,101,5001,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/kubepods/podx,task_memcg=/kubepods/podx/y,task=stress,pid=4242,uid=0\n";
  const char* killed = "3,102,5002,-;Out of memory: Killed process 4242 (stress (x)) total-vm:8192kB, anon-rss:4096kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:40kB oom_score_adj:1000\n";
  const char* killed_in_group = "3,102,5002,-;Memory cgroup out of memory: Killed process 4242 (stress) total-vm:8192kB, anon-rss:4096kB\n";
  for (const Case& c : {Case{"the machine's", {invoked, global, killed}, "System OOM encountered, victim process: stress (x), pid: 4242; "}, Case{"an older kernel's", {invoked, killed}, "System OOM encountered, victim process: stress (x), pid: 4242; "},
                        Case{"a limit's", {invoked, of_group, killed_in_group}, ""}, Case{"one after the other", {invoked, of_group, killed_in_group, invoked, global, killed}, "System OOM encountered, victim process: stress (x), pid: 4242; "},
                        Case{"something a user wrote", {"12,100,5000,-;x invoked oom-killer: y", "12,101,5001,-;Out of memory: Killed process 1 (init) total-vm:1kB"}, ""},
                        Case{"half of it", {invoked, "3,1,1,-;Killed process 12"}, ""}, Case{"no record", {"", ";", "x;Killed process 1 (a) total-vm"}, ""}}) {
    EXPECT_EQ(tell(c.records), c.told) << c.name;
  }
}

TEST(OomWatchFile, is_read_as_it_grows) {
  const std::string path = cat("/tmp/oom-watch-", getpid());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  Loop loop;
  std::string told;
  auto watch = OomWatch::start(path, [&](OomReader::Victim victim) {
    told = oom_message(victim);
    loop.stop();
  });
  ASSERT_TRUE(watch);
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(fcntl(fd.get(), F_SETFL, O_DIRECT), 0);  // a record a read, as of the kernel's log
  auto put = [&fd](std::string_view record) { EXPECT_EQ(write(fd.get(), record.data(), record.size()), static_cast<ssize_t>(record.size())); };
  Timer second([&] { put("3,2,2,-;Out of memory: Killed process 7 (x) total-vm:1kB\n"); });
  Timer late([&] { loop.stop(); });
  put("4,1,1,-;x invoked oom-killer: y\n");
  second.arm_ms(50);
  late.arm_ms(20000);
  loop.run();
  EXPECT_EQ(told, "System OOM encountered, victim process: x, pid: 7");
  unlink(path.c_str());
}

}  // namespace
}  // namespace bramble

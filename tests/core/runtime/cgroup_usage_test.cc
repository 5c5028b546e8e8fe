// What the kernel's files say of use: recorded files of both versions of cgroups, and files that lie.
#include "core/runtime/cgroup_usage.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/base/limits.h"
#include "core/runtime/disk_usage.h"
#include "core/runtime/machine_usage.h"

namespace bramble {
namespace {

namespace fs = std::filesystem;

using Files = std::map<std::string, std::string>;

CgroupFile files_of(const Files& files) {
  return [&files](std::string_view controller, std::string_view name) {
    auto it = files.find(controller.empty() ? std::string(name) : cat(controller, "/", name));
    return it == files.end() ? std::string() : it->second;
  };
}

// A container of Debian's kernel 6.1 with cgroup version 1.
const Files kVersion1 = {
    {"cpuacct/cpuacct.usage", "49231395743983\n"},
    {"cpuacct/cpuacct.stat", "user 4381105\nsystem 542033\n"},
    {"cpu/cpu.stat", "nr_periods 41\nnr_throttled 7\nthrottled_time 123456789\n"},
    {"cpu/cpu.shares", "512\n"},
    {"cpu/cpu.cfs_quota_us", "50000\n"},
    {"cpu/cpu.cfs_period_us", "100000\n"},
    {"memory/memory.usage_in_bytes", "20000768\n"},
    {"memory/memory.limit_in_bytes", "67108864\n"},
    {"memory/memory.max_usage_in_bytes", "30000128\n"},
    {"memory/memory.failcnt", "3\n"},
    {"memory/memory.memsw.limit_in_bytes", "134217728\n"},
    {"memory/memory.stat",
     "cache 1\nrss 2\nmapped_file 3\nswap 4\npgfault 5\npgmajfault 6\ninactive_file 7\nhierarchical_memory_limit 67108864\n"
     "total_cache 8192000\ntotal_rss 9000960\ntotal_mapped_file 40960\ntotal_swap 12288\ntotal_pgfault 1234\ntotal_pgmajfault 12\n"
     "total_inactive_file 5000192\ntotal_active_file 4096\n"},
    {"pids/pids.current", "4\n"},
    {"pids/pids.max", "max\n"},
    {"blkio/blkio.throttle.io_service_bytes_recursive", "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 1\n8:0 Total 12288\nTotal 12288\n"},
    {"blkio/blkio.throttle.io_serviced_recursive", "8:0 Read 1\n8:0 Write 2\n8:0 Total 3\nTotal 3\n"},
};

// The same of a kernel with version 2.
const Files kVersion2 = {
    {"cpu.stat", "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\nnr_periods 10\nnr_throttled 2\nthrottled_usec 3000\n"},
    {"cpu.weight", "100\n"},
    {"cpu.max", "50000 100000\n"},
    {"memory.current", "20000768\n"},
    {"memory.max", "67108864\n"},
    {"memory.peak", "30000128\n"},
    {"memory.events", "low 0\nhigh 0\nmax 3\noom 0\noom_kill 0\n"},
    {"memory.swap.current", "12288\n"},
    {"memory.swap.max", "1048576\n"},
    {"memory.stat", "anon 9000960\nfile 8192000\nfile_mapped 40960\ninactive_file 5000192\nactive_file 4096\npgfault 1234\npgmajfault 12\n"},
    {"pids.current", "4\n"},
    {"pids.max", "100\n"},
    {"io.stat", "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n7:0 \n"},
    {"memory.pressure", "some avg10=1.50 avg60=0.25 avg300=0.01 total=12345\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=99\n"},
};

TEST(CgroupUsage, version_1_counts_the_whole_subtree) {
  CgroupUsage u = cgroup_usage_v1(files_of(kVersion1), Detail::kAll);
  EXPECT_EQ(u.cpu_ns, 49231395743983u);
  EXPECT_EQ(u.cpu_user_ns, 43811050000000u);
  EXPECT_EQ(u.memory_bytes, 20000768u);
  EXPECT_EQ(u.working_set_bytes, 20000768u - 5000192u) << "less what is in files and can be dropped";
  EXPECT_EQ(u.rss_bytes, 9000960u);
  EXPECT_EQ(u.cache_bytes, 8192000u);
  EXPECT_EQ(u.page_faults, 1234u);
  EXPECT_EQ(u.major_page_faults, 12u);
  EXPECT_EQ(u.swap_bytes, 12288u);
  EXPECT_EQ(u.swap_limit_bytes, 67108864u) << "memory and swap together, less memory";
  EXPECT_EQ(u.processes, 4u);
  EXPECT_FALSE(u.processes_max);
  EXPECT_EQ(u.cpu_quota_us, 50000);
  EXPECT_EQ(u.cpu_throttled_ns, 123456789u);
  ASSERT_EQ(u.io.size(), 1u);
  EXPECT_EQ(u.io.at("8:0").write_bytes, 8192u);
  EXPECT_EQ(u.io.at("8:0").reads, 1u);
}

TEST(CgroupUsage, version_2_says_the_same) {
  CgroupUsage u = cgroup_usage_v2(files_of(kVersion2), Detail::kAll);
  EXPECT_EQ(u.cpu_ns, 1500000000u);
  EXPECT_EQ(u.working_set_bytes, 20000768u - 5000192u);
  EXPECT_EQ(u.rss_bytes, 9000960u);
  EXPECT_EQ(u.cache_bytes, 8192000u);
  EXPECT_EQ(u.memory_limit_bytes, 67108864u);
  EXPECT_EQ(u.memory_failures, 3u);
  EXPECT_EQ(u.swap_bytes, 12288u);
  EXPECT_EQ(u.swap_limit_bytes, 1048576u);
  EXPECT_EQ(u.processes_max, 100u);
  EXPECT_EQ(u.cpu_quota_us, 50000);
  EXPECT_EQ(u.cpu_period_us, 100000u);
  EXPECT_EQ(u.cpu_shares, 2 + (99 * 262142) / 9999u);
  ASSERT_EQ(u.io.size(), 1u) << "a device without counts is none";
  EXPECT_EQ(u.io.at("8:0").read_bytes, 4096u);
  ASSERT_TRUE(u.memory_pressure);
  EXPECT_EQ(u.memory_pressure->some_us, 12345u);
  EXPECT_EQ(u.memory_pressure->some_avg10, 1.5);
  EXPECT_EQ(u.memory_pressure->full_us, 99u);
}

TEST(CgroupUsage, little_is_read_when_little_is_asked_for) {
  std::vector<std::string> read;
  CgroupFile file = [&read](std::string_view, std::string_view name) {
    read.emplace_back(name);
    return std::string();
  };
  cgroup_usage_v1(file, Detail::kBasic);
  EXPECT_LE(read.size(), 5u) << join(read, " ");
  read.clear();
  cgroup_usage_v2(file, Detail::kBasic);
  EXPECT_LE(read.size(), 7u) << join(read, " ");
}

TEST(CgroupUsage, the_root_of_version_2_has_no_file_of_its_memory) {
  Files root = kVersion2;
  root.erase("memory.current");
  root.erase("memory.max");
  CgroupUsage u = cgroup_usage_v2(files_of(root), Detail::kBasic);
  EXPECT_EQ(u.memory_bytes, 9000960u + 8192000u);
  EXPECT_FALSE(u.memory_limit_bytes);
}

TEST(CgroupUsage, no_limit_is_no_limit) {
  struct Case {
    const char* name;
    const char* text;
    Count limit;
  };
  for (const Case& c : {Case{"version 1", "9223372036854771712\n", {}}, Case{"with another page size", "9223372036854710272\n", {}}, Case{"version 2", "max\n", {}},
                        Case{"one page", "4096\n", 4096}, Case{"nothing", "", {}}}) {
    Files files = kVersion1;
    files["memory/memory.limit_in_bytes"] = c.text;
    EXPECT_EQ(cgroup_usage_v1(files_of(files), Detail::kBasic).memory_limit_bytes, c.limit) << c.name;
  }
}

TEST(CgroupUsage, what_is_no_number_is_absent) {
  const std::string longer(100000, '9');
  for (const std::string& junk : {std::string(), std::string("\n\n\n"), std::string("-1"), std::string("nan"), std::string("99999999999999999999999"), std::string("a b c d e"), longer,
                                  std::string("\0\0\0", 3), std::string("usage_usec -5\nusage_usec 7\ntotal_rss\ntotal_cache x\n"), std::string("some total\nfull avg10=x total=-1\n"),
                                  std::string("8:0 rbytes= wbytes=-1\n8:0\n:\n=\n8:0 Read\n8:0 Read x\n"), std::string("usage_usec 18446744073709551615\n")}) {
    Files files;
    for (const auto& [name, text] : kVersion1) files[name] = junk;
    for (const auto& [name, text] : kVersion2) files[name] = junk;
    for (const CgroupUsage& u : {cgroup_usage_v1(files_of(files), Detail::kAll), cgroup_usage_v2(files_of(files), Detail::kAll)}) {
      EXPECT_FALSE(u.cpu_ns) << junk.substr(0, 40);
      EXPECT_FALSE(u.memory_pressure) << junk.substr(0, 40);
      EXPECT_FALSE(u.working_set_bytes) << junk.substr(0, 40);
    }
  }
}

TEST(CgroupUsage, counters_that_move_between_two_reads_give_no_giant) {
  Files files = kVersion1;
  files["memory/memory.usage_in_bytes"] = "4096\n";
  EXPECT_EQ(cgroup_usage_v1(files_of(files), Detail::kBasic).working_set_bytes, 0u);
}

TEST(CgroupUsage, devices_are_bounded) {
  std::string text;
  for (int i = 0; i < 10000; ++i) text += cat("8:", i, " rbytes=1 wbytes=1 rios=1 wios=1\n");
  Files files = {{"io.stat", text}};
  EXPECT_EQ(cgroup_usage_v2(files_of(files), Detail::kAll).io.size(), limits::kUsageDevicesMax);
}

TEST(MachineUsage, links_are_read_but_for_the_machines_own) {
  auto links = parse_net_dev(
      "Inter-|   Receive                                                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
      "    lo:  100 1 0 0 0 0 0 0 100 1 0 0 0 0 0 0\n"
      "  eth0:12345 10 1 2 0 0 0 0 54321 20 3 4 0 0 0 0\n"
      "veth12ab: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n"
      " cni0: 7 x 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n"
      "short: 1 2 3\n");
  ASSERT_EQ(links.size(), 1u);
  EXPECT_EQ(links[0].name, "eth0");
  EXPECT_EQ(links[0].rx_bytes, 12345u);
  EXPECT_EQ(links[0].rx_errors, 1u);
  EXPECT_EQ(links[0].rx_dropped, 2u);
  EXPECT_EQ(links[0].tx_bytes, 54321u);
  EXPECT_EQ(links[0].tx_packets, 20u);
  EXPECT_EQ(links[0].tx_errors, 3u);
}

TEST(MachineUsage, memory_and_threads) {
  MemoryInfo m = parse_meminfo("MemTotal:       24684092 kB\nMemFree:        18533132 kB\nSwapTotal:  1024 kB\nSwapFree: 99999999999999999999 kB\nHugePages_Total:       0\n");
  EXPECT_EQ(m.total_bytes, 24684092ull * 1024);
  EXPECT_EQ(m.swap_total_bytes, 1024u * 1024);
  EXPECT_FALSE(m.swap_free_bytes);
  EXPECT_EQ(parse_thread_count("10.80 10.28 9.59 14/190 3940\n"), 190u);
  EXPECT_FALSE(parse_thread_count("10.80 10.28"));
}

class Disk : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/bdu-XXXXXX";
    base = mkdtemp(name);
  }
  void TearDown() override { fs::remove_all(base); }
  void write(const std::string& path, size_t bytes) { std::ofstream(base + "/" + path) << std::string(bytes, 'x'); }
  static constexpr int64_t kNoDeadline = INT64_MAX;
  std::string base;
};

TEST_F(Disk, counts_bytes_and_inodes_once_and_follows_no_link) {
  write("a", 100000);
  auto alone = scan_disk(base, kNoDeadline);
  ASSERT_TRUE(alone);
  EXPECT_GE(alone->bytes, 100000u);
  EXPECT_EQ(alone->inodes, 2u) << "the folder and the file";
  fs::create_hard_link(base + "/a", base + "/b");
  fs::create_symlink("/usr", base + "/usr");
  fs::create_directory(base + "/c");
  auto more = scan_disk(base, kNoDeadline);
  EXPECT_EQ(more->inodes, 4u) << "a file with two names is one; a link is itself";
  EXPECT_TRUE(more->whole);
  EXPECT_LT(more->bytes, alone->bytes + 64 * 1024);
  EXPECT_FALSE(scan_disk(base + "/none", kNoDeadline));
  EXPECT_FALSE(scan_disk(base + "/usr", kNoDeadline)) << "nor is the first step a link";
}

TEST_F(Disk, a_tree_that_never_ends_is_left) {
  std::string at = base;
  for (size_t i = 0; i < limits::kDiskScanDepthMax + 20; ++i) fs::create_directory(at += "/d");
  write("z", 50000);
  auto deep = scan_disk(base, kNoDeadline);
  ASSERT_TRUE(deep);
  EXPECT_FALSE(deep->whole);
  EXPECT_GE(deep->bytes, 50000u) << "what is beside it counts all the same";
  for (int i = 0; i < 600; ++i) write(cat("f", i), 1);
  auto late = scan_disk(base, 0);
  EXPECT_FALSE(late->whole);
  EXPECT_LT(late->inodes, 600u);
}

TEST_F(Disk, a_file_system_tells_its_size) {
  auto f = file_system_usage(base);
  ASSERT_TRUE(f);
  EXPECT_GT(f->capacity_bytes, 0u);
  EXPECT_GE(f->capacity_bytes, f->available_bytes);
  EXPECT_FALSE(file_system_usage(base + "/none"));
}

}  // namespace
}  // namespace bramble

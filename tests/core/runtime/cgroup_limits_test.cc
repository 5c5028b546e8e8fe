// Limits in the machine's real cgroups. Needs root.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "core/base/files.h"
#include "core/runtime/cgroups.h"

namespace bramble {
namespace {

// Version 1 holds memory and swap together to another limit, which may not be below that of memory: a container that has no swap.
TEST(CgroupLimits, of_memory_may_change_where_swap_is_limited_too) {
  auto cgroups = Cgroups::open({});
  ASSERT_TRUE(cgroups.ok()) << cgroups.error().message();
  const std::string path = cat("/cgroup-limits-test-", getpid()), folder = cgroups->folder("memory", path);
  ASSERT_EQ(mkdir(folder.c_str(), 0755), 0);
  auto read = [&folder](const char* name) { return parse_int64(trim(read_file_start(cat(folder, name)))).value_or(-1); };
  const bool swap = !cgroups->v2() && path_exists(cat(folder, "/memory.memsw.limit_in_bytes"));
  const char* limit_file = cgroups->v2() ? "/memory.max" : "/memory.limit_in_bytes";
  PodCgroupLimits limits;
  auto set_mi = [&](int64_t mi) {
    limits.memory_bytes = mi << 20;
    Status set = cgroups->set_memory(path, limits);
    EXPECT_TRUE(set.ok()) << mi << ": " << set.error().message();
    EXPECT_EQ(read(limit_file), mi << 20);
  };
  set_mi(64);
  if (swap) std::ofstream(cat(folder, "/memory.memsw.limit_in_bytes")) << (80 << 20);
  for (int64_t mi : {128, 32, 96}) {
    set_mi(mi);
    if (swap) {
      EXPECT_EQ(read("/memory.memsw.limit_in_bytes"), (mi + 16) << 20) << "as much swap as before";
    }
  }
  EXPECT_EQ(rmdir(folder.c_str()), 0);
}

}  // namespace
}  // namespace bramble

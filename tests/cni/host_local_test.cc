// Addresses as several processes ask for them at once, as CNI plugins do.
#include "cni/ipam/host_local.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "core/base/strings.h"

namespace bramble {
namespace {

class HostLocalTest : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/bramble-ipam-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    dir_ = folder;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  HostLocal open() {
    auto opened = HostLocal::open(dir_ + "/leases", *IpPrefix::parse("10.42.0.0/23"));
    EXPECT_TRUE(opened.ok());
    return std::move(*opened);
  }
  std::string dir_;
};

TEST_F(HostLocalTest, processes_beside_each_other_never_get_the_same_address) {
  constexpr int kProcesses = 8, kEach = 60;
  int go[2];
  ASSERT_EQ(pipe(go), 0);
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; p++) {
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      char byte;
      if (read(go[0], &byte, 1) != 1) _exit(2);
      std::ofstream out(cat(dir_, "/got-", p));
      for (int i = 0; i < kEach; i++) {
        HostLocal ipam = open();  // as each call of a plugin does
        auto address = ipam.add(cat("container-", p, "-", i));
        if (!address.ok()) _exit(3);
        out << address->address_text() << "\n";
      }
      out.flush();
      _exit(0);
    }
    children.push_back(child);
  }
  ASSERT_EQ(write(go[1], "12345678", kProcesses), kProcesses);
  for (pid_t child : children) {
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  close(go[0]);
  close(go[1]);
  std::map<std::string, int> given;
  for (int p = 0; p < kProcesses; p++) {
    std::ifstream in(cat(dir_, "/got-", p));
    for (std::string line; std::getline(in, line);) given[line]++;
  }
  EXPECT_EQ(given.size(), static_cast<size_t>(kProcesses * kEach));
  for (const auto& [address, times] : given) EXPECT_EQ(times, 1) << address;
  auto all = open().containers();
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->size(), static_cast<size_t>(kProcesses * kEach));
}

TEST_F(HostLocalTest, a_lease_that_a_power_cut_emptied_is_free_again) {
  HostLocal ipam = open();
  std::ofstream(dir_ + "/leases/10.42.0.2") << "";
  auto address = ipam.add("a");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->address_text(), "10.42.0.2");
}

}  // namespace
}  // namespace bramble

// The runtime that a release carries: unpacked once, whole or not at all, by a path that an upgrade keeps.
#include "core/app/carried_runtime.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/files.h"
#include "core/base/strings.h"

namespace bramble {
namespace {

// "#!/bin/sh\nexit 7\n" and "#!/bin/sh\nexit 8\n", each by `zstd -c`.
constexpr unsigned char kSeven[] = {0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0x89, 0x00, 0x00, 0x23, 0x21, 0x2f, 0x62, 0x69, 0x6e, 0x2f, 0x73, 0x68, 0x0a, 0x65, 0x78, 0x69, 0x74, 0x20, 0x37, 0x0a, 0xd4, 0x7a, 0xba, 0x5a};
constexpr unsigned char kEight[] = {0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0x89, 0x00, 0x00, 0x23, 0x21, 0x2f, 0x62, 0x69, 0x6e, 0x2f, 0x73, 0x68, 0x0a, 0x65, 0x78, 0x69, 0x74, 0x20, 0x38, 0x0a, 0x6e, 0x6a, 0xfa, 0x93};

template <size_t N>
std::string_view bytes_of(const unsigned char (&packed)[N]) {
  return {reinterpret_cast<const char*>(packed), N};
}

class CarriedRuntime : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/bramble-carried-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
  }
  void TearDown() override { EXPECT_EQ(system(("rm -rf " + folder_).c_str()), 0); }
  int exit_code() const { return WEXITSTATUS(system((folder_ + "/data/current/runc").c_str())); }
  ino_t inode() const {
    struct stat st {};
    EXPECT_EQ(stat((folder_ + "/data/current/runc").c_str(), &st), 0);
    return st.st_ino;
  }
  std::string folder_;
};

TEST_F(CarriedRuntime, is_unpacked_once_and_runs) {
  auto path = unpack_runtime(bytes_of(kSeven), folder_);
  ASSERT_TRUE(path.ok()) << path.error().message();
  EXPECT_EQ(*path, folder_ + "/data/current/runc");
  EXPECT_EQ(exit_code(), 7);
  ino_t first = inode();
  ASSERT_TRUE(unpack_runtime(bytes_of(kSeven), folder_).ok());
  EXPECT_EQ(inode(), first) << "nothing is written again";
}

TEST_F(CarriedRuntime, an_upgrade_keeps_the_path_and_removes_the_old_one) {
  ASSERT_TRUE(unpack_runtime(bytes_of(kSeven), folder_).ok());
  auto path = unpack_runtime(bytes_of(kEight), folder_);
  ASSERT_TRUE(path.ok()) << path.error().message();
  EXPECT_EQ(*path, folder_ + "/data/current/runc");
  EXPECT_EQ(exit_code(), 8);
  EXPECT_EQ(WEXITSTATUS(system(cat("test $(ls ", folder_, "/data | wc -l) = 2").c_str())), 0) << "current and what it leads to";
}

TEST_F(CarriedRuntime, what_a_crash_left_is_made_whole) {
  ASSERT_TRUE(unpack_runtime(bytes_of(kSeven), folder_).ok());
  ASSERT_EQ(system(cat("cd ", folder_, "/data/*/ && mv runc runc.new && cd .. && rm current").c_str()), 0);
  ASSERT_TRUE(unpack_runtime(bytes_of(kSeven), folder_).ok());
  EXPECT_EQ(exit_code(), 7);
}

TEST_F(CarriedRuntime, damaged_bytes_are_an_error_and_leave_no_program) {
  std::string damaged(bytes_of(kSeven));
  damaged[damaged.size() / 2] ^= 0x55;
  auto path = unpack_runtime(std::string_view(damaged).substr(0, damaged.size() - 6), folder_);
  ASSERT_FALSE(path.ok());
  EXPECT_TRUE(path.error().message().starts_with("runc cannot be unpacked: ")) << path.error().message();
  EXPECT_FALSE(path_exists(folder_ + "/data/current"));
}

TEST_F(CarriedRuntime, one_that_is_named_is_taken_as_it_is) {
  auto path = node_runtime("crun", folder_);
  ASSERT_TRUE(path.ok());
  EXPECT_EQ(*path, "crun");
  EXPECT_FALSE(path_exists(folder_ + "/data"));
}

}  // namespace
}  // namespace bramble

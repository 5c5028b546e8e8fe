// Small files on a real disk, and folders that somebody else writes to as well.
#include "core/base/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "core/base/folder.h"
#include "core/base/strings.h"
#include "tests/core/base/dies_at.h"

namespace bramble {
namespace {

namespace fs = std::filesystem;

class Files : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/bramble-files-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    dir_ = name;
    file_ = dir_ + "/file";
  }
  void TearDown() override {
    umask(022);
    fs::remove_all(dir_);
  }
  static unsigned mode_of(const std::string& path) {
    struct stat s {};
    return stat(path.c_str(), &s) == 0 ? s.st_mode & 07777 : 0;
  }
  std::string dir_, file_;
};

TEST_F(Files, are_read_whole_or_not_at_all) {
  EXPECT_EQ(read_file(file_).error().code(), Code::kNotFound);
  EXPECT_EQ(read_file_start(file_), "");
  std::ofstream(file_) << std::string(100000, 'x');
  EXPECT_EQ(read_file(file_)->size(), 100000u);
  EXPECT_EQ(read_file(file_, 100000)->size(), 100000u);
  EXPECT_EQ(read_file(file_, 99999).error().code(), Code::kTooLarge);
  EXPECT_EQ(read_file_start(file_, 99999).size(), 99999u);
  EXPECT_EQ(read_file_start(file_, 200000).size(), 100000u);
  ASSERT_EQ(mkfifo((dir_ + "/fifo").c_str(), 0600), 0);
  EXPECT_EQ(read_file_start(dir_ + "/fifo"), "");
  EXPECT_FALSE(read_file("/proc/version")->empty()) << "a file that says it has no bytes";
}

TEST_F(Files, are_replaced_with_the_mode_that_was_asked_for) {
  umask(077);
  for (auto replace : {replace_file, replace_file_durably}) {
    for (mode_t mode : {0644, 0600, 0666}) {
      ASSERT_TRUE(replace(file_, cat("for ", mode), mode).ok());
      EXPECT_EQ(mode_of(file_), mode);
      EXPECT_EQ(*read_file(file_), cat("for ", mode));
    }
    EXPECT_FALSE(path_exists(file_ + ".new"));
    EXPECT_EQ(replace(dir_ + "/none/file", "x", 0600).error().code(), Code::kNotFound);
  }
}

TEST_F(Files, have_the_old_content_when_the_new_one_does_not_come_through) {
  ASSERT_TRUE(replace_file(file_, "old", 0600).ok());
  for (std::vector<long> calls : {std::vector<long>{SYS_write}, std::vector<long>{SYS_fsync}, std::vector<long>{SYS_renameat
#ifdef SYS_rename
                                                                                                                , SYS_rename
#endif
       }}) {
    EXPECT_TRUE(dies_at(calls, [&] { (void)replace_file_durably(file_, "new", 0600).ok(); }));
    EXPECT_EQ(*read_file(file_), "old");
  }
  ASSERT_TRUE(replace_file_durably(file_, "new", 0600).ok());
  EXPECT_EQ(*read_file(file_), "new");
  // The disk is full: told, and nothing changes.
  EXPECT_FALSE(write_all(open("/dev/full", O_WRONLY | O_CLOEXEC), "x", "full").ok());
}

TEST_F(Files, that_are_the_same_are_not_written_again) {
  ASSERT_TRUE(replace_file_durably(file_, "same", 0600).ok());
  EXPECT_FALSE(dies_at({SYS_write}, [&] { (void)replace_file_durably(file_, "same", 0600).ok(); }));
  EXPECT_TRUE(dies_at({SYS_write}, [&] { (void)replace_file_durably(file_, "same", 0644).ok(); }));
}

TEST_F(Files, folders_are_made_with_the_mode_that_was_asked_for_and_others_left_alone) {
  umask(077);
  fs::create_directories(dir_ + "/a");
  unsigned before = mode_of(dir_ + "/a");
  ASSERT_TRUE(make_folders(dir_ + "/a/b/c", 0755).ok());
  ASSERT_TRUE(make_folders(dir_ + "/a/b/c", 0700).ok());
  EXPECT_EQ(mode_of(dir_ + "/a"), before);
  EXPECT_EQ(mode_of(dir_ + "/a/b"), 0755u);
  EXPECT_EQ(mode_of(dir_ + "/a/b/c"), 0755u);
  std::ofstream(file_) << "x";
  EXPECT_FALSE(make_folders(file_).ok());
  EXPECT_FALSE(make_folders(file_ + "/x").ok());
  EXPECT_EQ(folder_of("/a/b"), "/a");
  EXPECT_EQ(folder_of("/a"), "/");
  EXPECT_EQ(folder_of("a"), ".");
}

using Folder = Files;

TEST_F(Folder, lets_nothing_out_of_it) {
  fs::create_directories(dir_ + "/in/real");
  fs::create_directories(dir_ + "/out");
  std::ofstream(dir_ + "/out/file") << "x";
  std::ofstream(dir_ + "/in/real/file") << "x";
  fs::create_directory_symlink(dir_ + "/out", dir_ + "/in/absolute");
  fs::create_directory_symlink("../out", dir_ + "/in/relative");
  fs::create_directory_symlink("real", dir_ + "/in/inside");
  auto folder = open_folder(dir_ + "/in");
  ASSERT_TRUE(folder.ok());
  struct Row {
    const char* path;
    bool opens;
  } rows[] = {{"real/file", true}, {"absolute/file", false}, {"relative/file", false}, {"inside/file", false}, {"../out/file", false}, {"/etc/passwd", false}, {"none", false}};
  for (const auto& row : rows) EXPECT_EQ(open_beneath(folder->get(), row.path, O_RDONLY).ok(), row.opens) << row.path;
  EXPECT_FALSE(make_folder_beneath(folder->get(), "absolute", 0755).ok());
  EXPECT_FALSE(open_folder(dir_ + "/in/inside").ok());
  for (const char* name : {"absolute", "relative", "real", "none"}) EXPECT_TRUE(remove_tree_in(folder->get(), name, dir_).ok()) << name;
  EXPECT_EQ(names_in(folder->get(), 10), std::vector<std::string>{"inside"});
  EXPECT_TRUE(path_exists(dir_ + "/out/file"));
}

}  // namespace
}  // namespace bramble

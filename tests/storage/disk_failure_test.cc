#include "storage/sqlite/disk_failure.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <stdlib.h>

#include <filesystem>

namespace bramble {
namespace {

constexpr DiskStage kStages[] = {DiskStage::kStarting, DiskStage::kServing, DiskStage::kCopying};

// Each failure means one thing in each stage: an error, or the end of the process.
TEST(DiskFailure, means_one_thing_in_each_stage) {
  using Means = std::optional<Code>;
  const Means ends = std::nullopt;
  struct Case {
    const char* name;
    int code, system_errno;
    Means means[3];  // in the order of kStages
  };
  const Case cases[] = {
      {"fsync", SQLITE_IOERR_FSYNC, EIO, {ends, ends, Code::kIo}},
      {"fsync of the directory", SQLITE_IOERR_DIR_FSYNC, EIO, {ends, ends, Code::kIo}},
      {"damage", SQLITE_CORRUPT, 0, {Code::kCorrupt, ends, Code::kCorrupt}},
      {"no database", SQLITE_NOTADB, 0, {Code::kCorrupt, ends, Code::kCorrupt}},
      {"cut off", SQLITE_IOERR_SHORT_READ, 0, {Code::kCorrupt, ends, Code::kCorrupt}},
      {"read error", SQLITE_IOERR_READ, EIO, {Code::kIo, ends, Code::kIo}},
      {"read error of the file system", SQLITE_IOERR_CORRUPTFS, EIO, {Code::kIo, ends, Code::kIo}},
      {"write error", SQLITE_IOERR_WRITE, EIO, {Code::kIo, Code::kIo, Code::kIo}},
      {"full", SQLITE_FULL, 0, {Code::kNoSpace, Code::kNoSpace, Code::kNoSpace}},
      {"full, told by errno", SQLITE_IOERR_WRITE, ENOSPC, {Code::kNoSpace, Code::kNoSpace, Code::kNoSpace}},
      {"over quota", SQLITE_IOERR_WRITE, EDQUOT, {Code::kNoSpace, Code::kNoSpace, Code::kNoSpace}},
      {"read-only", SQLITE_READONLY, 0, {Code::kNoSpace, Code::kNoSpace, Code::kNoSpace}},
      {"read-only file system", SQLITE_CANTOPEN, EROFS, {Code::kNoSpace, Code::kNoSpace, Code::kNoSpace}},
      {"in use", SQLITE_BUSY, 0, {Code::kUnavailable, Code::kUnavailable, Code::kUnavailable}},
      {"not allowed", SQLITE_CANTOPEN, EACCES, {Code::kPermissionDenied, Code::kPermissionDenied, Code::kPermissionDenied}},
  };
  char name[] = "/tmp/bramble-failure-XXXXXX";
  const std::string dir = mkdtemp(name), path = dir + "/state.db";
  for (const Case& c : cases) {
    for (int i = 0; i < 3; i++) {
      SCOPED_TRACE(cat(c.name, ", stage ", i));
      auto call = [&] { return disk_failure(c.code, c.system_errno, kStages[i], path, "write"); };
      if (!c.means[i]) {
        EXPECT_EXIT(call(), testing::ExitedWithCode(74), "this process ends");
        continue;
      }
      Error e = call();
      EXPECT_EQ(e.code(), *c.means[i]) << e.message();
      EXPECT_TRUE(e.message().starts_with(path)) << e.message();
    }
  }
  std::filesystem::remove_all(dir);
}

TEST(DiskFailure, damage_met_while_serving_leaves_a_mark_and_a_read_error_none) {
  char name[] = "/tmp/bramble-failure-XXXXXX";
  const std::string dir = mkdtemp(name), path = dir + "/state.db";
  EXPECT_EXIT(disk_failure(SQLITE_IOERR_READ, EIO, DiskStage::kServing, path, "write"), testing::ExitedWithCode(74), "");
  EXPECT_FALSE(std::filesystem::exists(must_check_mark(path)));
  EXPECT_EXIT(disk_failure(SQLITE_CORRUPT, 0, DiskStage::kServing, path, "write"), testing::ExitedWithCode(74), "");
  EXPECT_TRUE(std::filesystem::exists(must_check_mark(path)));
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace bramble

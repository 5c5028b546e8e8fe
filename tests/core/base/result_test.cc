#include "core/base/result.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "core/base/unique_fd.h"

namespace bramble {
namespace {

Result<int> half(int n) {
  if (n % 2) return Error(Code::kInvalidArgument, cat(n, " is odd"));
  return n / 2;
}
Result<int> quarter(int n) {
  TRY_ASSIGN(int h, half(n));
  TRY(half(h));
  return *half(h);
}

TEST(Result, try_hands_errors_up_and_values_on) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(6).error().message(), "3 is odd");
  EXPECT_EQ(quarter(7).error().code(), Code::kInvalidArgument);
  EXPECT_FALSE(quarter(7).ok());
  EXPECT_TRUE(ok().ok());
}

TEST(Result, carries_what_can_only_be_moved) {
  Result<std::unique_ptr<int>> r(std::make_unique<int>(5));
  std::unique_ptr<int> p = std::move(r).value();
  EXPECT_EQ(*p, 5);
}

TEST(Error, prefixes_causes_and_status_are_kept) {
  Error e = Error::with_status(Code::kConflict, "pods \"a\" changed", "{\"kind\":\"Status\"}");
  EXPECT_EQ(e.prefixed("update").message(), "update: pods \"a\" changed");
  EXPECT_EQ(e.prefixed("update").status_json(), "{\"kind\":\"Status\"}");
  EXPECT_EQ(e.prefixed("update").code(), Code::kConflict);
  Error outer(Code::kInternal, "write", e);
  EXPECT_EQ(outer.message(), "write: pods \"a\" changed");
  EXPECT_EQ(outer.code(), Code::kInternal);
}

TEST(Error, errno_has_its_code) {
  struct Row {
    int err;
    Code code;
  } rows[] = {{ENOSPC, Code::kNoSpace},
              {EDQUOT, Code::kNoSpace},
              {ENOENT, Code::kNotFound},
              {EEXIST, Code::kAlreadyExists},
              {EACCES, Code::kPermissionDenied},
              {ETIMEDOUT, Code::kTimeout},
              {EIO, Code::kIo}};
  for (auto& r : rows) EXPECT_EQ(Error::from_errno(r.err, "x").code(), r.code) << r.err;
  EXPECT_EQ(Error::from_errno(ENOENT, "open /x").message(), "open /x: No such file or directory");
}

TEST(ResultDeathTest, asking_a_failed_one_for_its_value_aborts_with_the_error) {
  EXPECT_DEATH(half(3).value(), "3 is odd");
  EXPECT_DEATH(CHECK(1 == 2, "one ", 1), "CHECK\\(1 == 2\\) failed: one 1");
}

TEST(UniqueFd, closes_once_and_gives_away) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  {
    UniqueFd a(fds[0]);
    UniqueFd b = std::move(a);
    EXPECT_FALSE(a.valid());
    EXPECT_EQ(b.get(), fds[0]);
  }
  EXPECT_EQ(close(fds[0]), -1);
  UniqueFd c(fds[1]);
  EXPECT_EQ(c.release(), fds[1]);
  EXPECT_EQ(close(fds[1]), 0);
}

}  // namespace
}  // namespace bramble

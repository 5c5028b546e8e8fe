// Leaf certificates get new ones in time, also while the server runs, and never for a date in the past.
#include "core/app/renewal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/app/version.h"
#include "core/base/files.h"
#include "tests/core/loop/run_task.h"

namespace bramble {
namespace {

constexpr int64_t kDay_us = 24 * 3600 * 1000000LL;

class Renewal : public testing::Test {
 protected:
  Loop loop;
  FakeClock clock{2524608000 * 1000000LL};  // in 2050: the alarms of the real clock stay silent
  CredentialOptions options;
  int used = 0;
  Credentials last;

  void SetUp() override {
    char folder[] = "/tmp/bramble-renewal-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    options.directory = folder;
    options.server_names = {"localhost"};
    options.node_name = "n";
    options.node_names = {"n"};
  }
  void TearDown() override { EXPECT_EQ(system(("rm -rf " + options.directory).c_str()), 0); }
  Credentials load() {
    auto made = load_or_make_credentials(options, clock);
    EXPECT_TRUE(made.ok()) << made.error().message();
    return *made;
  }
  std::unique_ptr<CertificateRenewal> renewal(const Credentials& now) {
    auto use = [this](const Credentials& c) {
      used++;
      last = c;
      return ok();
    };
    return std::make_unique<CertificateRenewal>(now, clock, [this] { return load_or_make_credentials(options, clock); }, use);
  }
};

TEST_F(Renewal, is_due_when_two_thirds_of_the_life_are_over) {
  Credentials first = load();
  EXPECT_NEAR(static_cast<double>(first.renew_at_s - clock.wall_us() / 1000000), 365.0 * 24 * 3600 * 2 / 3, 24 * 3600);
  auto r = renewal(first);
  clock.advance_us(240 * kDay_us);
  run_task(loop, r->look());
  EXPECT_EQ(used, 0) << "two thirds are not over";
  clock.advance_us(5 * kDay_us);
  run_task(loop, r->look());
  ASSERT_EQ(used, 1);
  EXPECT_NE(last.api_server.certificate_pem, first.api_server.certificate_pem);
  EXPECT_NE(last.kubelet_server.certificate_pem, first.kubelet_server.certificate_pem);
  EXPECT_NE(last.admin.certificate_pem, first.admin.certificate_pem);
  EXPECT_EQ(last.server_ca_pem, first.server_ca_pem);
  EXPECT_GT(last.renew_at_s, first.renew_at_s);
  run_task(loop, r->look());
  EXPECT_EQ(used, 1) << "once";
}

TEST_F(Renewal, of_what_ends_with_its_authority_is_not_tried_again_and_again) {
  load();
  clock.advance_us(3600 * kDay_us);  // the authority has fifty days left
  Credentials cut = load();
  EXPECT_GT(cut.renew_at_s, clock.wall_us() / 1000000);
  EXPECT_EQ(load().api_server.certificate_pem, cut.api_server.certificate_pem);
}

TEST_F(Renewal, counts_from_the_floor_where_the_clock_is_not_set) {
  clock.set_wall_us(1000000);
  options.time_floor_s = build_time_s();
  auto info = parse_certificate(load().api_server.certificate_pem);
  ASSERT_TRUE(info.ok());
  EXPECT_GT(info->not_after_s, build_time_s() + 364 * 24 * 3600);
}

TEST_F(Renewal, the_floor_is_the_last_write_of_the_store_or_the_release) {
  EXPECT_EQ(issuing_floor_s(options.directory), build_time_s());
  ASSERT_TRUE(make_folders(options.directory + "/server/db", 0700).ok());
  std::string file = options.directory + "/server/db/state.db";
  ASSERT_TRUE(replace_file_durably(file, "x", 0600).ok());
  timespec times[2] = {{build_time_s() + 1000, 0}, {build_time_s() + 1000, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, file.c_str(), times, 0), 0);
  EXPECT_EQ(issuing_floor_s(options.directory), build_time_s() + 1000);
}

}  // namespace
}  // namespace bramble

#include "core/runtime/oci_spec.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/runtime/cgroups.h"
#include "core/runtime/passwd.h"
#include "core/runtime/shim_client.h"

namespace bramble {
namespace {

TEST(OciSpec, writes_process_mounts_namespaces_and_resources) {
  ContainerSpec spec;
  spec.process.args = {"/bin/sh", "-c", "true"};
  spec.process.env = {"A=b"};
  spec.process.user = {1000, 1001, {5, 6}};
  spec.process.oom_score_adj = 1000;
  spec.process.capabilities = {"CAP_KILL"};
  spec.rootfs = "/r";
  spec.mounts = {{"/data", "bind", "/src", {"rbind", "rw"}}};
  spec.namespaces = {{"pid", ""}, {"network", "/ns/net"}};
  spec.cgroups_path = "/kubepods/podx/c";
  spec.resources.cpu_shares = 512;
  spec.resources.cpu_quota_us = 50000;
  spec.resources.memory_bytes = 1 << 20;
  Document d = oci_config(spec);
  EXPECT_EQ(d["process"]["args"].item(0).str(), "/bin/sh");
  EXPECT_EQ(d["process"]["user"]["additionalGids"].item(1).integer(), 6);
  EXPECT_EQ(d["process"]["oomScoreAdj"].integer(), 1000);
  EXPECT_EQ(d["root"]["path"].str(), "/r");
  Value last = d["mounts"].item(d["mounts"].size() - 1);
  EXPECT_EQ(last["destination"].str(), "/data");
  EXPECT_EQ(d["linux"]["cgroupsPath"].str(), "/kubepods/podx/c");
  EXPECT_EQ(d["linux"]["resources"]["cpu"]["shares"].integer(), 512);
  EXPECT_EQ(d["linux"]["resources"]["memory"]["limit"].integer(), 1 << 20);
  EXPECT_FALSE(d["linux"]["resources"].has("unified"));
  bool joined = false;
  for (Value n : d["linux"]["namespaces"].items()) joined = joined || (n["type"].str() == "network" && n["path"].str() == "/ns/net");
  EXPECT_TRUE(joined);
  EXPECT_GT(d["linux"]["maskedPaths"].size(), 5u);
}

TEST(OciSpec, privileged_masks_nothing_and_allows_all_devices) {
  ContainerSpec spec;
  spec.privileged = true;
  Document d = oci_config(spec);
  EXPECT_EQ(d["linux"]["maskedPaths"].size(), 0u);
  EXPECT_TRUE(d["linux"]["resources"]["devices"].item(0)["allow"].boolean());
}

TEST(Capabilities, are_added_and_dropped_with_all_as_the_base) {
  struct Row {
    const char* name;
    std::vector<std::string> add, drop;
    const char* has;
    const char* lacks;
  };
  const Row rows[] = {
      {"add one", {"NET_ADMIN"}, {}, "CAP_NET_ADMIN", "CAP_SYS_ADMIN"},
      {"with prefix, lower case", {"cap_sys_time"}, {}, "CAP_SYS_TIME", "CAP_SYS_ADMIN"},
      {"drop one", {}, {"KILL"}, "CAP_CHOWN", "CAP_KILL"},
      {"drop all, add one", {"KILL"}, {"ALL"}, "CAP_KILL", "CAP_CHOWN"},
      {"add all, drop one", {"ALL"}, {"SYS_ADMIN"}, "CAP_NET_ADMIN", "CAP_SYS_ADMIN"},
  };
  for (const auto& row : rows) {
    auto caps = adjust_capabilities(default_capabilities(), row.add, row.drop);
    EXPECT_NE(std::find(caps.begin(), caps.end(), row.has), caps.end()) << row.name;
    EXPECT_EQ(std::find(caps.begin(), caps.end(), row.lacks), caps.end()) << row.name;
  }
}

TEST(Passwd, resolves_users_and_groups) {
  constexpr const char* kPasswd = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/var/www:/bin/false\n";
  constexpr const char* kGroup = "root:x:0:\nwww:x:34:\nlog:x:4:web,other\nstaff:x:50:web\n";
  struct Row {
    const char* user;
    uint32_t uid, gid;
    size_t more;
    const char* home;
  };
  const Row rows[] = {
      {"", 0, 0, 0, "/root"},          {"web", 33, 34, 2, "/var/www"},   {"33", 33, 34, 2, "/var/www"}, {"1000", 1000, 0, 0, "/"},
      {"web:staff", 33, 50, 1, "/var/www"}, {"1000:7", 1000, 7, 0, "/"},
  };
  for (const auto& row : rows) {
    auto r = resolve_user(row.user, kPasswd, kGroup);
    ASSERT_TRUE(r.ok()) << row.user;
    EXPECT_EQ(r->user.uid, row.uid) << row.user;
    EXPECT_EQ(r->user.gid, row.gid) << row.user;
    EXPECT_EQ(r->user.additional_gids.size(), row.more) << row.user;
    EXPECT_EQ(r->home, row.home) << row.user;
  }
  EXPECT_EQ(resolve_user("ghost", kPasswd, kGroup).error().message(), "unable to find user ghost: no matching entries in passwd file");
  EXPECT_EQ(resolve_user("web:ghost", kPasswd, kGroup).error().message(), "unable to find group ghost: no matching entries in group file");
}

TEST(Cgroups, converts_shares_to_weight_as_runc_does) {
  EXPECT_EQ(cpu_weight_of_shares(0), 0u);
  EXPECT_EQ(cpu_weight_of_shares(2), 1u);
  EXPECT_EQ(cpu_weight_of_shares(1024), 39u);
  EXPECT_EQ(cpu_weight_of_shares(262144), 10000u);
}

TEST(ShimFrames, are_taken_whole_and_refused_when_unlawful) {
  std::string wire = encode_shim_frame(shim::kDone, "abc") + encode_shim_frame(shim::kSynced, "");
  std::string bytes;
  std::vector<ShimFrame> frames;
  for (char c : wire) {
    bytes += c;
    auto frame = take_shim_frame(bytes);
    ASSERT_TRUE(frame.ok());
    if (frame->has_value()) frames.push_back(**frame);
  }
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].body, "abc");
  EXPECT_EQ(frames[1].type, shim::kSynced);
  std::string huge("\xff\xff\xff\xff\x01\x01", 6);
  EXPECT_EQ(take_shim_frame(huge).error().code(), Code::kCorrupt);
  std::string tiny("\x01\x00\x00\x00\x01", 5);
  EXPECT_EQ(take_shim_frame(tiny).error().code(), Code::kCorrupt);
  std::string future("\x02\x00\x00\x00\x63\x01", 6);
  EXPECT_EQ(take_shim_frame(future).error().code(), Code::kCorrupt);
}

}  // namespace
}  // namespace bramble

// Which credentials of which Secret go to which registry (upstream's credentialprovider), and what garbage collection takes.
#include <gtest/gtest.h>

#include "core/base/strings.h"
#include "core/kubelet/image_gc_plan.h"
#include "core/kubelet/pull_secrets.h"

namespace bramble {
namespace {

Document secret(std::string_view type, std::string_view key, std::string_view json) {
  auto d = Document::parse(cat("{\"type\":\"", type, "\",\"data\":{\"", key, "\":\"", base64_encode(json), "\"}}"));
  CHECK(d.ok(), "test");
  return *d;
}

std::string users(const std::vector<RegistryCredential>& list) {
  std::string out;
  for (const auto& c : list) out += cat(out.empty() ? "" : " ", c.username.empty() ? c.identity_token : cat(c.username, ":", c.password));
  return out;
}

TEST(PullSecrets, places_cover_images_as_upstream_has_it) {
  struct Row {
    std::string place, image;
    bool want;
  } rows[] = {
      {"registry.io", "registry.io/a/b", true},
      {"registry.io/a", "registry.io/a/b", true},
      {"registry.io/c", "registry.io/a/b", false},
      {"registry.io:5000", "registry.io/a", false},
      {"registry.io:5000", "registry.io:5000/a", true},
      {"*.registry.io", "eu.registry.io/a", true},
      {"*.registry.io", "registry.io/a", false},
      {"*.registry.io", "a.b.registry.io/a", false},
      {"e*.registry.io/team", "eu.registry.io/team/x", true},
      {"*", "registry.io/a", false},
  };
  for (const auto& row : rows) EXPECT_EQ(place_covers(row.place, row.image), row.want) << row.place << " " << row.image;
}

TEST(PullSecrets, secrets_of_both_types_give_what_fits_the_most_particular_first) {
  Keyring ring;
  std::string config = cat("{\"auths\":{\"https://registry.io/v1/\":{\"username\":\"all\",\"password\":\"p\"},\"registry.io/team\":{\"auth\":\"", base64_encode("team:s3:cret"),
                           "\"},\"https://index.docker.io/v1/\":{\"auth\":\"", base64_encode("hub:h"), "\"},\"id.io\":{\"identitytoken\":\"tok\"},\"bad.io\":{\"auth\":\"!!\"}}}");
  ring.add(secret("kubernetes.io/dockerconfigjson", ".dockerconfigjson", config).root());
  ring.add(secret("kubernetes.io/dockercfg", ".dockercfg", "{\"old.io\":{\"username\":\"old\",\"password\":\"o\"}}").root());
  ring.add(secret("Opaque", ".dockerconfigjson", "{\"auths\":{\"registry.io\":{\"username\":\"no\",\"password\":\"no\"}}}").root());
  struct Row {
    std::string image, want;
  } rows[] = {
      {"registry.io/team/web", "team:s3:cret all:p"}, {"registry.io/other", "all:p"},        {"old.io/x", "old:o"},
      {"docker.io/library/nginx", "hub:h"},           {"id.io/x", "tok"},                    {"bad.io/x", ""},
      {"elsewhere.io/x", ""},
  };
  for (const auto& row : rows) EXPECT_EQ(users(ring.find(row.image)), row.want) << row.image;
}

constexpr int64_t kMinute = 60 * 1000000LL;

TEST(ImageGc, takes_the_longest_unused_until_there_is_room) {
  auto image = [](std::string id, int64_t bytes, int64_t used_minutes) {
    ImageUse i;
    i.id = std::move(id);
    i.size_bytes = bytes;
    i.last_used_us = used_minutes * kMinute;
    return i;
  };
  std::vector<ImageUse> images = {image("new", 10, 30), image("old", 10, 10), image("never", 5, 0), image("pinned", 50, 0), image("used", 50, 0)};
  images[3].pinned = true;
  images[4].used = true;
  ImageGcPolicy policy;
  int64_t now = 60 * kMinute;
  struct Row {
    const char* name;
    DiskUse disk;
    std::vector<std::string> want;
    int64_t wanted;
  } rows[] = {
      {"room enough", {100, 16}, {}, 0},
      {"at the threshold", {100, 15}, {"never"}, 5},
      {"a little more", {100, 10}, {"never", "old"}, 10},
      {"full", {100, 0}, {"never", "old", "new"}, 20},
      {"no disk", {0, 0}, {}, 0},
      {"more free than there is", {100, 200}, {}, 0},
  };
  for (const auto& row : rows) {
    ImageGcPlan plan = plan_image_gc(images, row.disk, policy, now);
    EXPECT_EQ(plan.remove, row.want) << row.name;
    EXPECT_EQ(plan.wanted_bytes, row.wanted) << row.name;
  }
}

TEST(ImageGc, leaves_the_young_and_takes_the_very_old) {
  ImageUse young{"young", 10, 59 * kMinute, 0}, old{"old", 10, 0, 10 * kMinute};
  ImageGcPolicy policy;
  ImageGcPlan plan = plan_image_gc({young}, {100, 0}, policy, 60 * kMinute);
  EXPECT_TRUE(plan.remove.empty());
  EXPECT_EQ(plan.found_bytes, 0);
  EXPECT_EQ(plan.wanted_bytes, 20);
  policy.max_age_us = 30 * kMinute;
  plan = plan_image_gc({young, old}, {100, 90}, policy, 60 * kMinute);
  EXPECT_EQ(plan.remove, std::vector<std::string>{"old"});
}

}  // namespace
}  // namespace bramble

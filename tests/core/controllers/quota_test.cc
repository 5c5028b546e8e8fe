// The ResourceQuota controller, and those that protect storage in use.
#include "core/controllers/all.h"
#include "tests/core/controllers/plan_text.h"
#include "tests/core/json/json_text.h"

namespace bramble {
namespace {

std::string quota(std::string_view hard, std::string_view status = "{}", std::string_view name = "q") {
  return cat(R"({"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":")", name, R"(","namespace":"x","resourceVersion":"5"},"spec":{"hard":)", hard, R"(},"status":)", status, "}");
}
std::string pod(std::string_view name, std::string_view more = {}, std::string_view meta_more = {}) {
  return cat(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")", name, R"(","namespace":"x","uid":"u-)", name, "\"", meta_more,
             R"(},"spec":{"nodeName":"n","containers":[{"name":"c","resources":{"requests":{"cpu":"100m"}}}])", more, "}}");
}
TEST(ResourceQuota, status_tells_what_there_is) {
  const std::string hard = R"({"pods":"5","requests.cpu":"1"})";
  check_reconcile(resource_quota_controller(),
                  {{"new", {quota(hard), pod("a"), pod("b")}, {"x", "q"},
                    {R"(update resourcequotas/status x/q ~ "resourceVersion":"5" ~ "status":{"hard":{"pods":"5","requests.cpu":"1"},"used":{"pods":"2","requests.cpu":"200m"}})"}},
                   {"right", {quota(hard, cat(R"({"hard":)", hard, R"(,"used":{"pods":"1","requests.cpu":"0.1"}})")), pod("a")}, {"x", "q"}, {}},
                   {"one is gone", {quota(hard, cat(R"({"hard":)", hard, R"(,"used":{"pods":"2","requests.cpu":"200m"}})")), pod("a")}, {"x", "q"},
                    {R"(update resourcequotas/status x/q ~ "used":{"pods":"1","requests.cpu":"100m"})"}},
                   {"another limit", {quota(hard, R"({"hard":{"pods":"4"},"used":{"pods":"1"}})"), pod("a")}, {"x", "q"},
                    {R"(update resourcequotas/status x/q ~ "hard":{"pods":"5","requests.cpu":"1"},"used":{"pods":"1","requests.cpu":"100m"})"}},
                   {"a limit less", {quota(R"({"pods":"5"})", cat(R"({"hard":)", hard, R"(,"used":{"pods":"1","requests.cpu":"100m"}})")), pod("a")}, {"x", "q"},
                    {R"(update resourcequotas/status x/q ~ "hard":{"pods":"5"},"used":{"pods":"1"})"}},
                   {"gone", {pod("a")}, {"x", "q"}, {}}});
}

TEST(ResourceQuota, a_pod_that_should_be_gone_is_counted_until_then) {
  MapSnapshot s = snapshot_of({quota(R"({"pods":"5"})"), pod("a", "", R"(,"deletionTimestamp":"2026-01-02T03:04:00Z","deletionGracePeriodSeconds":30)")});
  Controller c = resource_quota_controller();
  Plan plan = c.reconcile(s, {"x", "q"}, at());
  EXPECT_EQ(plan.requeue_after_ms, 25001);
  EXPECT_NE(text_of(plan)[0].find(R"("used":{"pods":"1"})"), std::string::npos);
  plan = c.reconcile(s, {"x", "q"}, at(26 * 1000000));
  EXPECT_FALSE(plan.requeue_after_ms);
  EXPECT_NE(text_of(plan)[0].find(R"("used":{"pods":"0"})"), std::string::npos);
}

TEST(ResourceQuota, is_counted_anew_when_something_frees_room) {
  MapSnapshot s = snapshot_of({quota(R"({"pods":"5"})"), quota(R"({"secrets":"5"})", "{}", "s")});
  Controller c = resource_quota_controller();
  const ResourceId kQuotas{"", "v1", "resourcequotas"};
  const Document a = json(pod("a")), ended = json(replace_all(pod("a"), R"("spec":)", R"("status":{"phase":"Failed"},"spec":)")),
                 labelled = json(pod("a", "", R"(,"labels":{"x":"y"})"));
  const Document secret = json(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"x"}})");
  using testing::ElementsAre;
  EXPECT_THAT(keys_of(c, s, {resource_ids::kPods, {}, a}), ElementsAre()) << "admission has counted it";
  EXPECT_THAT(keys_of(c, s, {resource_ids::kPods, a, {}}), ElementsAre("x/q"));
  EXPECT_THAT(keys_of(c, s, {resource_ids::kPods, a, ended}), ElementsAre("x/q"));
  EXPECT_THAT(keys_of(c, s, {resource_ids::kPods, a, labelled}), ElementsAre());
  EXPECT_THAT(keys_of(c, s, {resource_ids::kSecrets, secret, {}}), ElementsAre("x/s"));
  const Document fresh = json(quota(R"({"pods":"5"})", R"({"hard":{"pods":"5"},"used":{"pods":"1"}})")),
                 charged = json(quota(R"({"pods":"5"})", R"({"hard":{"pods":"5"},"used":{"pods":"2"}})")),
                 wider = json(quota(R"({"pods":"6"})", R"({"hard":{"pods":"5"},"used":{"pods":"2"}})"));
  EXPECT_THAT(keys_of(c, s, {kQuotas, {}, fresh}), ElementsAre("x/q"));
  EXPECT_THAT(keys_of(c, s, {kQuotas, fresh, charged}), ElementsAre()) << "by admission";
  EXPECT_THAT(keys_of(c, s, {kQuotas, charged, wider}), ElementsAre("x/q"));
}

std::string claim(std::string_view more, std::string_view owners = "[]") {
  return cat(R"({"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"data","namespace":"x","ownerReferences":)", owners, more, "}}");
}
constexpr std::string_view kProtected = R"(,"finalizers":["kubernetes.io/pvc-protection"])";
constexpr std::string_view kDeleted = R"(,"deletionTimestamp":"2026-01-02T03:04:00Z","finalizers":["example.com/f","kubernetes.io/pvc-protection"])";

TEST(ClaimProtection, keeps_a_claim_while_a_pod_on_a_node_uses_it) {
  const std::string volumes = R"(,"volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"data"}}])";
  const std::string using_pod = pod("a", volumes), waiting = replace_all(using_pod, R"("nodeName":"n",)", "");
  const std::string ended = replace_all(using_pod, R"("spec":)", R"("status":{"phase":"Succeeded"},"spec":)");
  const std::string own = R"([{"uid":"u-a","controller":true}])";
  const std::string ephemeral = pod("a", R"(,"volumes":[{"name":"v","ephemeral":{}}])");
  auto named = [](std::string text) { return replace_all(text, R"("name":"data")", R"("name":"a-v")"); };
  check_reconcile(claim_protection_controller(),
                  {{"lives", {claim(kProtected)}, {"x", "data"}, {}},
                   {"without", {claim("")}, {"x", "data"}, {R"(update persistentvolumeclaims x/data ~ "finalizers":["kubernetes.io/pvc-protection"])"}},
                   {"deleted", {claim(kDeleted)}, {"x", "data"}, {R"(update persistentvolumeclaims x/data ~ "finalizers":["example.com/f"])"}},
                   {"used", {claim(kDeleted), using_pod}, {"x", "data"}, {}},
                   {"used by one that ended", {claim(kDeleted), ended}, {"x", "data"}, {}},
                   {"wanted by one without a node", {claim(kDeleted), waiting}, {"x", "data"}, {"update persistentvolumeclaims x/data"}},
                   {"of a volume that goes with its pod", {named(claim(kDeleted, own)), ephemeral}, {"x", "a-v"}, {}},
                   {"of that name only", {named(claim(kDeleted)), ephemeral}, {"x", "a-v"}, {"update persistentvolumeclaims x/a-v"}}});
}

TEST(ClaimProtection, looks_again_when_a_pod_goes) {
  Controller c = claim_protection_controller();
  MapSnapshot s;
  const Document a = json(pod("a", R"(,"volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"data"}},{"name":"w","ephemeral":{}},{"name":"e","emptyDir":{}}])"));
  EXPECT_THAT(keys_of(c, s, {resource_ids::kPods, a, {}}), testing::ElementsAre("x/data", "x/a-w"));
  EXPECT_THAT(keys_of(c, s, {resource_ids::kPods, {}, a}), testing::ElementsAre());
  EXPECT_THAT(keys_of(c, s, {resource_ids::kPods, a, a}), testing::ElementsAre());
}

TEST(VolumeProtection, keeps_a_volume_while_it_is_bound) {
  auto volume = [](std::string_view phase, std::string_view more) {
    return cat(R"({"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"pv")", more, R"(},"status":{"phase":")", phase, R"("}})");
  };
  constexpr std::string_view kGone = R"(,"deletionTimestamp":"2026-01-02T03:04:00Z","finalizers":["kubernetes.io/pv-protection"])";
  check_reconcile(volume_protection_controller(),
                  {{"without", {volume("Available", "")}, {"", "pv"}, {R"(update persistentvolumes pv ~ "finalizers":["kubernetes.io/pv-protection"])"}},
                   {"deleted", {volume("Released", kGone)}, {"", "pv"}, {"update persistentvolumes pv"}},
                   {"bound", {volume("Bound", kGone)}, {"", "pv"}, {}}});
}

}  // namespace
}  // namespace bramble

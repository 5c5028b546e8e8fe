#include "core/controllers/all.h"
#include "tests/core/controllers/plan_text.h"

namespace bramble {
namespace {

const ResourceId kRs = resource_ids::kReplicaSets;

std::string object(const std::string& kind, const std::string& name, const std::string& meta = "") {
  return cat(R"({"apiVersion":)", kind == "Pod" ? "\"v1\"" : "\"apps/v1\"", R"(,"kind":")", kind, R"(","metadata":{"name":")", name,
             R"(","namespace":"default","uid":"u-)", name, R"(","resourceVersion":"7")", meta, "}}");
}
std::string owned(const std::string& kind, const std::string& owner, const std::string& uid, bool block = false) {
  return cat(R"({"apiVersion":"apps/v1","kind":")", kind, R"(","name":")", owner, R"(","uid":")", uid, R"(")", block ? R"(,"blockOwnerDeletion":true})" : "}");
}
std::string owners(const std::string& refs) { return cat(R"(,"ownerReferences":[)", refs, "]"); }
const std::string kEnding = R"(,"deletionTimestamp":"2026-01-02T03:04:05Z")";

// Feeds all objects to the collector as a driver does at start, then asks for one key's plan.
std::vector<std::string> plan_of(const std::vector<std::string>& before, const ObjectKey& key) {
  Controller c = garbage_collector();
  MapSnapshot s = snapshot_of(before);
  for (const std::string& json : before) {
    Document d = *Document::parse(json);
    c.keys(s, {MapSnapshot::resource_of(d), {}, d}, [](const ObjectKey&) {});
  }
  return text_of(c.reconcile(s, key, at()));
}

TEST(GarbageCollector, decides_by_the_owners_of_an_object) {
  struct Case {
    const char* name;
    std::vector<std::string> before;
    ObjectKey key;
    std::vector<std::string> expected;
  };
  const ObjectKey pod{"default", "/v1/pods/p"}, set{"default", "apps/v1/replicasets/r"};
  const std::vector<Case> cases = {
      {"owner there", {object("ReplicaSet", "r"), object("Pod", "p", owners(owned("ReplicaSet", "r", "u-r")))}, pod, {}},
      {"owner gone", {object("Pod", "p", owners(owned("ReplicaSet", "r", "u-r")))}, pod, {"delete pods default/p propagation=Background"}},
      {"another owner of that name", {object("ReplicaSet", "r"), object("Pod", "p", owners(owned("ReplicaSet", "r", "u-old")))}, pod, {"delete pods default/p propagation=Background"}},
      {"one of two owners gone", {object("ReplicaSet", "r"), object("Pod", "p", owners(owned("ReplicaSet", "r", "u-r") + "," + owned("ReplicaSet", "x", "u-x")))}, pod,
       {R"(patch pods default/p {"metadata":{"resourceVersion":"7","ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"r","uid":"u-r"}]}})"}},
      {"a kind not known here", {object("Pod", "p", owners(owned("Gizmo", "r", "u-r")))}, pod, {}},
      {"orphan finalizer keeps the children", {object("ReplicaSet", "r", owners(owned("Deployment", "d", "u-d")) + R"(,"finalizers":["orphan"])")}, set, {"delete replicasets default/r propagation=Orphan"}},
      {"foreground: waits for a blocking child", {object("ReplicaSet", "r", kEnding + R"(,"finalizers":["foregroundDeletion"])"), object("Pod", "p", owners(owned("ReplicaSet", "r", "u-r", true)))}, set, {}},
      {"foreground: the child goes", {object("ReplicaSet", "r", kEnding + R"(,"finalizers":["foregroundDeletion"])"), object("Pod", "p", owners(owned("ReplicaSet", "r", "u-r", true)))}, pod,
       {"delete pods default/p propagation=Background"}},
      {"foreground: nothing blocks any more", {object("ReplicaSet", "r", kEnding + R"(,"finalizers":["foregroundDeletion","x/y"])")}, set,
       {R"(patch replicasets default/r {"metadata":{"resourceVersion":"7","finalizers":["x/y"]}})"}},
      {"orphaning lets the children go free", {object("ReplicaSet", "r", kEnding + R"(,"finalizers":["orphan"])"), object("Pod", "p", owners(owned("ReplicaSet", "r", "u-r")))}, set,
       {R"(patch pods default/p ~ "ownerReferences":[])", R"(patch replicasets default/r ~ "finalizers":[])"}},
      {"ending already", {object("Pod", "p", kEnding + owners(owned("ReplicaSet", "r", "u-r")))}, pod, {}},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    std::vector<std::string> lines = plan_of(test.before, test.key);
    bool same = lines.size() == test.expected.size();
    for (size_t i = 0; same && i < lines.size(); i++) same = line_matches(lines[i], test.expected[i]);
    EXPECT_TRUE(same) << join(lines, "\n");
  }
}

TEST(GarbageCollector, an_owners_end_wakes_its_dependents_by_the_index) {
  Controller c = garbage_collector();
  MapSnapshot s;
  Document r = *Document::parse(object("ReplicaSet", "r"));
  Document p = *Document::parse(object("Pod", "p", owners(owned("ReplicaSet", "r", "u-r"))));
  keys_of(c, s, {kRs, {}, r});
  EXPECT_THAT(keys_of(c, s, {resource_ids::kPods, {}, p}), testing::ElementsAre("default//v1/pods/p"));
  EXPECT_THAT(keys_of(c, s, {kRs, r, {}}), testing::ElementsAre("default//v1/pods/p"));
  keys_of(c, s, {resource_ids::kPods, p, {}});
  EXPECT_THAT(keys_of(c, s, {kRs, r, {}}), testing::ElementsAre());
}

// After a repair or a restore an absent owner may be one that was lost.
TEST(GarbageCollector, deletes_nothing_for_an_owner_that_may_be_lost) {
  Controller c = garbage_collector();
  MapSnapshot s = snapshot_of({object("ReplicaSet", "renewed"), object("Pod", "p", owners(owned("ReplicaSet", "r", "u-r"))),
                               object("Pod", "q", owners(owned("ReplicaSet", "renewed", "u-old")))});
  s.doubt(true);
  s.each(resource_ids::kPods, "", [&](const Document& pod) {
    c.keys(s, {resource_ids::kPods, {}, pod}, [](const ObjectKey&) {});
    return true;
  });
  expect_plan(c.reconcile(s, {"default", "/v1/pods/p"}, at()), {});
  expect_plan(c.reconcile(s, {"default", "/v1/pods/q"}, at()), {});
  // An owner that was seen to go is not lost.
  Document r = *Document::parse(object("ReplicaSet", "r"));
  EXPECT_THAT(keys_of(c, s, {kRs, r, {}}), testing::ElementsAre("default//v1/pods/p"));
  expect_plan(c.reconcile(s, {"default", "/v1/pods/p"}, at()), {"delete pods default/p propagation=Background"});
  expect_plan(c.reconcile(s, {"default", "/v1/pods/q"}, at()), {});
  s.doubt(false);
  expect_plan(c.reconcile(s, {"default", "/v1/pods/q"}, at()), {"delete pods default/q propagation=Background"});
}

TEST(PodGc, leaves_pods_of_a_node_that_may_be_lost) {
  Controller c = pod_gc_controller();
  const std::string pod = R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"default","uid":"u"},"spec":{"nodeName":"n1"},"status":{"phase":"Running"}})";
  const ObjectKey key{"default", "p"};
  const Moment later = at(41 * 1000000LL);
  MapSnapshot s = snapshot_of({pod});
  s.doubt(true);
  EXPECT_FALSE(c.reconcile(s, key, at()).requeue_after_ms.has_value());
  EXPECT_TRUE(c.reconcile(s, key, later).writes.empty());
  Document node = *Document::parse(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"}})");
  EXPECT_THAT(keys_of(c, s, {resource_ids::kNodes, node, {}}), testing::ElementsAre("default/p"));  // seen to be deleted
  c.reconcile(s, key, at());
  EXPECT_FALSE(c.reconcile(s, key, later).writes.empty());
  c.keys(s, {resource_ids::kNodes, {}, node}, [](const ObjectKey&) {});  // and to come back
  EXPECT_TRUE(c.reconcile(s, key, later).writes.empty());
  s.doubt(false);
  c.reconcile(s, key, at());
  EXPECT_FALSE(c.reconcile(s, key, later).writes.empty());
}

TEST(PodGc, removes_pods_of_missing_nodes_after_the_quarantine) {
  Controller c = pod_gc_controller();
  const std::string pod = R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"default","uid":"u"},"spec":{"nodeName":"n1"},"status":{"phase":"Running"}})";
  MapSnapshot s = snapshot_of({pod});
  ObjectKey key{"default", "p"};
  Plan first = c.reconcile(s, key, at());
  EXPECT_TRUE(first.writes.empty());
  EXPECT_EQ(first.requeue_after_ms.value_or(0), 40001);
  expect_plan(c.reconcile(s, key, at(41 * 1000000LL)),
              {R"(patch pods/status default/p ~ "phase":"Failed" ~ "reason":"DeletionByPodGC","message":"PodGC: node no longer exists")", "delete pods default/p grace=0"});
  s.put(*Document::parse(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"}})"));
  EXPECT_TRUE(c.reconcile(s, key, at(41 * 1000000LL)).writes.empty());
}

TEST(PodGc, a_step_of_the_wall_clock_does_not_end_the_quarantine) {
  Controller c = pod_gc_controller();
  MapSnapshot s = snapshot_of({R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"default","uid":"u"},"spec":{"nodeName":"n1"},"status":{"phase":"Running"}})"});
  const ObjectKey key{"default", "p"};
  c.reconcile(s, key, {30, 30});
  EXPECT_EQ(c.reconcile(s, key, {kNowUs, 1000030}).requeue_after_ms.value_or(0), 39001);
  EXPECT_FALSE(c.reconcile(s, key, {kNowUs - 3600 * 1000000LL, 41000030}).writes.empty());
}

TEST(PodGc, removes_what_was_deleted_before_it_had_a_node) {
  check_reconcile(pod_gc_controller(),
                  {{"unscheduled", {R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"default","uid":"u","deletionTimestamp":"2026-01-02T03:04:05Z"}})"}, {"default", "p"}, {"delete pods default/p grace=0"}}});
}

}  // namespace
}  // namespace bramble

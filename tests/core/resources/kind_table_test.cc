#include <gtest/gtest.h>

#include <set>

#include "core/resources/cells.h"

namespace bramble {
namespace {

TEST(KindTable, every_kind_has_its_type_and_no_two_share_a_place) {
  std::set<std::string> places;
  for (const Kind& k : all_kinds()) {
    EXPECT_NE(k.type, nullptr) << k.group << "/" << k.version << " " << k.kind;
    EXPECT_TRUE(places.insert(cat(k.group, "/", k.version, "/", k.resource)).second) << k.resource;
    EXPECT_EQ(find_kind(k.group, k.version, k.resource), &k);
    EXPECT_EQ(find_kind_by_name(k.group, k.version, k.kind), &k);
  }
  EXPECT_EQ(find_kind("", "v1", "nopes"), nullptr);
}

TEST(KindTable, events_renewals_and_heartbeats_may_reach_the_disk_late) {
  struct Case {
    const char* name;
    const char* group;
    const char* resource;
    const char* before;
    const char* after;
    bool late;
  };
  const Case cases[] = {
      {"event", "", "events", "null", "{}", true},
      {"first lease", "coordination.k8s.io", "leases", "null", R"({"spec":{"holderIdentity":"a","renewTime":"1"}})", false},
      {"renewal", "coordination.k8s.io", "leases", R"({"metadata":{"resourceVersion":"1"},"spec":{"holderIdentity":"a","renewTime":"1"}})",
       R"({"metadata":{"resourceVersion":"x"},"spec":{"holderIdentity":"a","renewTime":"2"}})", true},
      {"new holder", "coordination.k8s.io", "leases", R"({"spec":{"holderIdentity":"a","renewTime":"1"}})", R"({"spec":{"holderIdentity":"b","renewTime":"2"}})", false},
      {"new label", "coordination.k8s.io", "leases", R"({"metadata":{"labels":{"a":"1"}},"spec":{"renewTime":"1"}})", R"({"metadata":{"labels":{"a":"2"}},"spec":{"renewTime":"2"}})", false},
      {"first report", "", "nodes", "null", R"({"status":{"conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":"1"}]}})", false},
      {"heartbeat", "", "nodes", R"({"status":{"conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":"1"}]}})",
       R"({"status":{"conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":"2"}]}})", true},
      {"condition changed", "", "nodes", R"({"status":{"conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":"1"}]}})",
       R"({"status":{"conditions":[{"type":"Ready","status":"False","lastHeartbeatTime":"2"}]}})", false},
      {"pod", "", "pods", R"({"status":{}})", R"({"status":{"phase":"Running"}})", false},
  };
  for (const Case& c : cases) {
    const Kind* kind = find_kind(c.group, "v1", c.resource);
    ASSERT_NE(kind, nullptr) << c.name;
    auto before = Document::parse(std::string_view(c.before)), after = Document::parse(std::string_view(c.after));
    Value old = before->root().is_null() ? Value() : before->root();
    EXPECT_EQ(kind->may_be_volatile && kind->may_be_volatile(old, after->root()), c.late) << c.name;
  }
}

// A CustomResourceDefinition may call its resource "events" or "leases": nothing of those holds for it.
TEST(KindTable, what_holds_for_a_kind_goes_by_the_kind_and_not_by_the_word) {
  std::set<std::string> expires, late, allocates, two_steps, orphans, uncollected;
  for (const Kind& k : all_kinds()) {
    std::string name = cat(k.group, "/", k.resource);
    if (k.last_written_us) expires.insert(name);
    if (k.may_be_volatile) late.insert(name);
    if (k.allocates) allocates.insert(name);
    if (k.has_spec_finalizers) two_steps.insert(name);
    if (k.orphans_by_default) orphans.insert(k.version == "v1" ? name : cat(k.group, "/", k.version, "/", k.resource));
    if (!k.collected) uncollected.insert(name);
  }
  EXPECT_EQ(expires, (std::set<std::string>{"/events"}));
  EXPECT_EQ(late, (std::set<std::string>{"/events", "/nodes", "coordination.k8s.io/leases"}));
  EXPECT_EQ(allocates, (std::set<std::string>{"/services"}));
  EXPECT_EQ(two_steps, (std::set<std::string>{"/namespaces"}));
  EXPECT_EQ(orphans, (std::set<std::string>{"/replicationcontrollers", "apps/v1beta1/deployments", "apps/v1beta1/statefulsets",
                                            "apps/v1beta2/daemonsets", "apps/v1beta2/deployments", "apps/v1beta2/replicasets",
                                            "apps/v1beta2/statefulsets", "batch/jobs", "extensions/v1beta1/daemonsets",
                                            "extensions/v1beta1/deployments", "extensions/v1beta1/replicasets"}));
  EXPECT_EQ(uncollected, (std::set<std::string>{"/events", "events.k8s.io/events"}));
}

TEST(KindTable, cells_stand_an_empty_object_and_one_of_wrong_shapes) {
  for (const char* text : {"{}", R"({"metadata":{"name":"x"},"spec":[],"status":3})", R"({"spec":{"containers":[{}]},"status":{"conditions":[{}]}})"}) {
    auto object = Document::parse(text);
    for (const Kind& k : all_kinds()) {
      TableRow row(object->root(), 0);
      for (const Column& c : columns_of(k)) c.cell(row);
    }
  }
}

// Whatever a client sends, no rule may stumble over it.
TEST(KindTable, rules_stand_objects_of_wrong_shapes) {
  for (const char* text :
       {"{}", R"({"metadata":{"name":"x"},"spec":{}})", R"({"metadata":{"name":"x"},"spec":{"template":{}}})",
        R"({"metadata":{"name":"x"},"spec":{"containers":[{}],"volumes":[{}]}})"}) {
    auto doc = Document::parse(text);
    for (const Kind& k : all_kinds()) {
      Builder b(doc->root());
      if (k.set_defaults) k.set_defaults(b.root());
      if (k.prepare_create) k.prepare_create(b.root());
      const Document object = b.finish();
      FieldErrors errors;
      validate_object_meta(object.root(), k, errors);
      if (k.validate) k.validate(object.root(), errors);
      if (k.validate_update) k.validate_update(object.root(), doc->root(), errors);
      if (k.validate_status_update) k.validate_status_update(object.root(), doc->root(), errors);
      std::vector<std::string> warnings;
      if (k.warnings) k.warnings(object.root(), warnings);
      for (const auto& s : k.selectable) s.value(object.root());
    }
  }
}

TEST(KindTable, defaults_are_stable) {
  const char* pod =
      R"({"metadata":{"name":"x"},"spec":{"hostNetwork":true,"containers":[{"name":"c","image":"a","ports":[{"containerPort":80}],"resources":{"limits":{"cpu":"1"}}}]}})";
  auto doc = Document::parse(pod);
  const Kind* kind = find_kind("", "v1", "pods");
  Builder once(doc->root());
  kind->set_defaults(once.root());
  const Document first = once.finish();
  Builder twice(first.root());
  kind->set_defaults(twice.root());
  EXPECT_TRUE(equal(first.root(), twice.finish().root()));
  EXPECT_EQ(first["spec"]["containers"].item(0)["ports"].item(0)["hostPort"].integer(), 80);
  EXPECT_EQ(first["spec"]["containers"].item(0)["resources"]["requests"]["cpu"].str(), "1");
}

}  // namespace
}  // namespace bramble

#include "core/kubelet/pod_status.h"

#include <gtest/gtest.h>

#include "core/resources/kind.h"
#include "core/resources/pod_view.h"
#include "core/schema/engine.h"

namespace bramble {
namespace {

using Kind = ContainerRecord::Kind;
using Phase = ContainerRecord::Phase;
constexpr int64_t kNow = 1767323045000000;

Document parse(std::string_view json) {
  auto d = Document::parse(json);
  CHECK(d.ok(), d.error().message());
  return *d;
}

ContainerRecord record(const char* name, Phase phase, int exit_code = 0, Kind kind = Kind::kMain) {
  ContainerRecord r;
  r.id = "0123";
  r.name = name;
  r.kind = kind;
  r.phase = phase;
  r.exit_code = exit_code;
  r.image = "docker.io/library/x:1";
  r.image_id = "sha256:1";
  r.started_us = kNow;
  r.finished_us = kNow;
  return r;
}

TEST(PodStatus, tells_phase_conditions_and_state) {
  constexpr const char* kPlain = R"("containers":[{"name":"a"}])";
  constexpr const char* kNever = R"("restartPolicy":"Never","containers":[{"name":"a"},{"name":"b"}])";
  constexpr const char* kInit = R"("restartPolicy":"Never","initContainers":[{"name":"i"}],"containers":[{"name":"a"}])";
  struct Row {
    const char* name;
    const char* spec;
    std::vector<ContainerRecord> records;
    std::map<std::string, WaitingReason, std::less<>> waiting;
    bool sandbox, ending;
    const char *phase, *ready_reason, *state;
  };
  const Row rows[] = {
      {"new", kPlain, {}, {}, false, false, "Pending", "ContainersNotReady", R"({"waiting":{"reason":"ContainerCreating"}})"},
      {"new with init", kInit, {}, {}, true, false, "Pending", "ContainersNotReady", R"({"waiting":{"reason":"PodInitializing"}})"},
      {"running", kPlain, {record("a", Phase::kRunning)}, {}, true, false, "Running", "", R"({"running":{"startedAt":"2026-01-02T03:04:05Z"}})"},
      {"init failed for good", kInit, {record("i", Phase::kExited, 1, Kind::kInit)}, {}, true, false, "Failed", "PodFailed", R"({"waiting":{"reason":"PodInitializing"}})"},
      {"init runs", kInit, {record("i", Phase::kRunning, 0, Kind::kInit)}, {}, true, false, "Pending", "ContainersNotReady", R"({"waiting":{"reason":"PodInitializing"}})"},
      {"backing off", kPlain, {record("a", Phase::kExited, 1)}, {{"a", {"CrashLoopBackOff", "back-off"}}}, true, false, "Running", "ContainersNotReady",
       R"({"waiting":{"reason":"CrashLoopBackOff","message":"back-off"}})"},
      {"one of two ended", kNever, {record("a", Phase::kExited, 1), record("b", Phase::kRunning)}, {}, true, false, "Running", "ContainersNotReady",
       R"({"terminated":{"exitCode":1,"reason":"Error","startedAt":"2026-01-02T03:04:05Z","finishedAt":"2026-01-02T03:04:05Z","containerID":"bramble://0123"}})"},
      {"all ended well", kNever, {record("a", Phase::kExited), record("b", Phase::kExited)}, {}, true, false, "Succeeded", "PodCompleted",
       R"({"terminated":{"exitCode":0,"reason":"Completed","startedAt":"2026-01-02T03:04:05Z","finishedAt":"2026-01-02T03:04:05Z","containerID":"bramble://0123"}})"},
      {"one ended badly", kNever, {record("a", Phase::kExited), record("b", Phase::kExited, 2)}, {}, true, false, "Failed", "PodFailed",
       R"({"terminated":{"exitCode":0,"reason":"Completed","startedAt":"2026-01-02T03:04:05Z","finishedAt":"2026-01-02T03:04:05Z","containerID":"bramble://0123"}})"},
      {"asked to end, killed", kPlain, {record("a", Phase::kExited, 137)}, {}, false, true, "Failed", "PodFailed",
       R"({"terminated":{"exitCode":137,"reason":"Error","startedAt":"2026-01-02T03:04:05Z","finishedAt":"2026-01-02T03:04:05Z","containerID":"bramble://0123"}})"},
  };
  for (const auto& row : rows) {
    Document pod = parse(cat(R"({"metadata":{"name":"p","namespace":"n","uid":"u","generation":2},"spec":{)", row.spec, "}}"));
    PodStatusFacts facts;
    facts.records = row.records;
    facts.waiting = row.waiting;
    facts.sandbox_ready = row.sandbox;
    facts.terminating = facts.all_stopped = row.ending;
    facts.host_ips = {"192.0.2.1"};
    Document s = pod_status(pod.root(), facts, kNow);
    EXPECT_EQ(s["phase"].str(), row.phase) << row.name;
    EXPECT_EQ(s["containerStatuses"].item(0)["state"].dump(), row.state) << row.name;
    Document wrapped = parse(cat(R"({"status":)", *s.bytes(), "}"));
    EXPECT_EQ(PodView(wrapped).condition("Ready")["reason"].str(), row.ready_reason) << row.name;
    EXPECT_EQ(PodView(wrapped).condition("Ready")["observedGeneration"].integer(), 2) << row.name;
    EXPECT_EQ(s["hostIPs"].item(0)["ip"].str(), "192.0.2.1") << row.name;
    // The same again is the same: nothing moves without a reason.
    Builder again(pod.root());
    again.root().set("status", s.root());
    Document with = again.finish();
    EXPECT_TRUE(equal(pod_status(with.root(), facts, kNow + 60000000).root(), s.root())) << row.name;
  }
}

TEST(PodStatus, keeps_the_last_state_and_foreign_conditions) {
  Document pod = parse(R"({"metadata":{"name":"p","namespace":"n","uid":"u"},"spec":{"containers":[{"name":"a"}],"readinessGates":[{"conditionType":"example.com/x"}]},
    "status":{"conditions":[{"type":"PodScheduled","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"},{"type":"example.com/x","status":"False"}],"startTime":"2026-01-01T00:00:00Z"}})");
  PodStatusFacts facts;
  facts.records = {record("a", Phase::kExited, 3), record("a", Phase::kRunning)};
  facts.records[1].attempt = 1;
  facts.sandbox_ready = true;
  Document s = pod_status(pod.root(), facts, kNow);
  Value c = s["containerStatuses"].item(0);
  EXPECT_EQ(c["restartCount"].integer(), 1);
  EXPECT_EQ(c["lastState"]["terminated"]["exitCode"].integer(), 3);
  EXPECT_EQ(s["startTime"].str(), "2026-01-01T00:00:00Z");
  Document wrapped = parse(cat(R"({"status":)", *s.bytes(), "}"));
  EXPECT_EQ(PodView(wrapped).condition("example.com/x")["status"].str(), "False");
  EXPECT_EQ(PodView(wrapped).condition("PodScheduled")["lastTransitionTime"].str(), "2026-01-01T00:00:00Z");
  EXPECT_EQ(PodView(wrapped).condition("Ready")["reason"].str(), "ReadinessGatesNotReady");
  EXPECT_EQ(PodView(wrapped).condition("ContainersReady")["status"].str(), "True");
}

TEST(PodStatus, a_refused_pod_has_failed) {
  Document pod = parse(R"({"metadata":{"name":"p","namespace":"n","uid":"u"},"spec":{"containers":[{"name":"a"}]}})");
  PodStatusFacts facts;
  facts.failed_reason = "OutOfcpu";
  facts.failed_message = "why";
  Document s = pod_status(pod.root(), facts, kNow);
  EXPECT_EQ(s["phase"].str(), "Failed");
  EXPECT_EQ(s["reason"].str(), "OutOfcpu");
  EXPECT_EQ(s["message"].str(), "why");
}

TEST(PodStatus, is_written_without_what_others_write) {
  constexpr const char* kReady = R"({"type":"Ready","status":"True","observedGeneration":1})";
  struct Row {
    const char *name, *was, *now, *patch;
  };
  const Row rows[] = {
      {"nothing", R"({"phase":"Running"})", R"({"phase":"Running"})", "{}"},
      {"a word", R"({"phase":"Pending","reason":"x"})", R"({"phase":"Running"})", R"({"reason":null,"phase":"Running"})"},
      {"conditions that are another, and only those", R"({"conditions":[{"type":"example.com/x","status":"False"},{"type":"Ready","status":"False","reason":"r"}]})",
       R"({"conditions":[{"type":"example.com/x","status":"False"},{"type":"Ready","status":"True","observedGeneration":1},{"type":"Initialized","status":"True"}]})",
       R"({"conditions":[{"type":"Ready","status":"True","observedGeneration":1,"reason":null},{"type":"Initialized","status":"True"}]})"},
      {"a condition that goes", R"({"conditions":[{"type":"PodResizePending","status":"True"},{"type":"Ready","status":"True","observedGeneration":1}]})",
       R"({"conditions":[{"type":"Ready","status":"True","observedGeneration":1}]})", R"({"conditions":[{"$patch":"delete","type":"PodResizePending"}]})"},
      {"addresses as a whole", R"({"podIPs":[{"ip":"10.0.0.1"}]})", R"({"podIPs":[{"ip":"10.0.0.2"}]})", R"({"podIPs":[{"$patch":"replace"},{"ip":"10.0.0.2"}]})"},
      {"amounts", R"({"allocatedResources":{"cpu":"1","memory":"2"},"resources":{"limits":{"cpu":"1"}}})", R"({"allocatedResources":{"cpu":"2"},"resources":{}})",
       R"({"allocatedResources":{"cpu":"2","memory":null},"resources":{"limits":null}})"},
  };
  const bramble::Kind* pods = find_kind("", "v1", "pods");
  ASSERT_NE(pods, nullptr);
  for (const auto& row : rows) {
    Document shown = parse(cat(R"({"metadata":{"uid":"u"},"status":)", row.was, "}")), now = parse(row.now);
    Document patch = status_patch(shown.root(), now.root());
    EXPECT_EQ(patch["status"].dump(), row.patch) << row.name;
    auto merged = strategic_merge(pods->type, shown.root(), patch.root());
    ASSERT_TRUE(merged.ok()) << row.name << ": " << merged.error().message();
    EXPECT_TRUE(equal(merged->finish()["status"], now.root())) << row.name;
  }
  // What somebody else wrote meanwhile stays.
  Document seen = parse(R"({"metadata":{"uid":"u"},"status":{"conditions":[{"type":"Ready","status":"False"}]}})"), now = parse(cat(R"({"conditions":[)", kReady, "]}"));
  Document there = parse(R"({"metadata":{"uid":"u"},"status":{"conditions":[{"type":"Ready","status":"False"},{"type":"example.com/x","status":"True"}]}})");
  auto merged = strategic_merge(pods->type, there.root(), status_patch(seen.root(), now.root()).root());
  ASSERT_TRUE(merged.ok());
  EXPECT_EQ(merged->finish()["status"]["conditions"].dump(), cat("[", kReady, R"(,{"type":"example.com/x","status":"True"}])"));
}

}  // namespace
}  // namespace bramble

#include "core/kubelet/pod_plan.h"

#include <gtest/gtest.h>

namespace bramble {
namespace {

using Kind = ContainerRecord::Kind;
using Phase = ContainerRecord::Phase;

Document pod_of(std::string_view spec, std::string_view status = "{}") {
  auto d = Document::parse(cat(R"({"metadata":{"name":"p","namespace":"default","uid":"u"},"spec":)", spec, R"(,"status":)", status, "}"));
  CHECK(d.ok(), d.error().message());
  return *d;
}

ContainerRecord record(const char* name, Phase phase, int exit_code = 0, int attempt = 0, Kind kind = Kind::kMain) {
  ContainerRecord r;
  r.id = cat(name, "-", attempt);
  r.name = name;
  r.kind = kind;
  r.phase = phase;
  r.exit_code = exit_code;
  r.attempt = attempt;
  r.ended_us = 1000 * 1000000LL;
  return r;
}

std::string text_of(const PodPlan& a) {
  std::string out;
  for (const auto& s : a.start) out += cat("start ", s.container, "#", s.attempt, " ");
  for (const auto& e : a.end) out += cat("end ", e.container, " (", e.message, ") ");
  for (const auto& w : a.waiting) out += cat("wait ", w, " ");
  for (const auto& s : a.stop) out += cat("stop ", s, " ");
  if (a.finished) out += "finished ";
  return std::string(trim(out));
}

constexpr const char* kTwo = R"({"containers":[{"name":"a"},{"name":"b"}]})";
constexpr const char* kNever = R"({"restartPolicy":"Never","containers":[{"name":"a"},{"name":"b"}]})";
constexpr const char* kOnFailure = R"({"restartPolicy":"OnFailure","containers":[{"name":"a"}]})";
constexpr const char* kInit = R"({"restartPolicy":"Never","initContainers":[{"name":"i"},{"name":"j"}],"containers":[{"name":"a"}]})";
constexpr const char* kInitAlways = R"({"initContainers":[{"name":"i"}],"containers":[{"name":"a"}]})";
constexpr const char* kSidecar = R"({"restartPolicy":"Never","initContainers":[{"name":"s","restartPolicy":"Always"},{"name":"i"}],"containers":[{"name":"a"}]})";

TEST(PodPlan, follow_restart_policy_init_order_and_sidecars) {
  struct Row {
    const char* name;
    const char* spec;
    std::vector<ContainerRecord> records;
    const char* expected;
  };
  const Row rows[] = {
      {"a new pod starts all", kTwo, {}, "start a#0 start b#0"},
      {"a running one is left", kTwo, {record("a", Phase::kRunning)}, "start b#0"},
      {"always restarts success", kTwo, {record("a", Phase::kExited), record("b", Phase::kRunning)}, "start a#1"},
      {"never leaves failure", kNever, {record("a", Phase::kExited, 1), record("b", Phase::kRunning)}, ""},
      {"never finishes", kNever, {record("a", Phase::kExited, 1), record("b", Phase::kExited)}, "finished"},
      {"on failure restarts failure", kOnFailure, {record("a", Phase::kExited, 2)}, "start a#1"},
      {"on failure leaves success", kOnFailure, {record("a", Phase::kExited, 0)}, "finished"},
      {"first init alone", kInit, {}, "start i#0"},
      {"waits for init", kInit, {record("i", Phase::kRunning, 0, 0, Kind::kInit)}, ""},
      {"second init", kInit, {record("i", Phase::kExited, 0, 0, Kind::kInit)}, "start j#0"},
      {"all init done", kInit, {record("i", Phase::kExited, 0, 0, Kind::kInit), record("j", Phase::kExited, 0, 0, Kind::kInit)}, "start a#0"},
      {"failed init ends a pod that never restarts", kInit, {record("i", Phase::kExited, 1, 0, Kind::kInit)}, "finished"},
      {"failed init is run again otherwise", kInitAlways, {record("i", Phase::kExited, 1, 0, Kind::kInit)}, "start i#1"},
      {"init is not run again", kInitAlways, {record("i", Phase::kExited, 0, 0, Kind::kInit), record("a", Phase::kExited, 1)}, "start a#1"},
      {"sidecar first", kSidecar, {}, "start s#0"},
      {"init beside a running sidecar", kSidecar, {record("s", Phase::kRunning, 0, 0, Kind::kInit)}, "start i#0"},
      {"sidecar restarts beside the work", kSidecar,
       {record("s", Phase::kExited, 0, 0, Kind::kInit), record("i", Phase::kExited, 0, 0, Kind::kInit), record("a", Phase::kRunning)}, "start s#1"},
      {"sidecar is stopped when the work is done", kSidecar,
       {record("s", Phase::kRunning, 0, 0, Kind::kInit), record("i", Phase::kExited, 0, 0, Kind::kInit), record("a", Phase::kExited)}, "stop s"},
  };
  for (const auto& row : rows) {
    RestartBackoff none;
    Document pod = pod_of(row.spec);
    EXPECT_EQ(text_of(plan_pod(pod.root(), row.records, none, 2000 * 1000000LL)), row.expected) << row.name;
  }
}

TEST(PodPlan, replace_what_runs_of_another_image) {
  auto of_image = [](ContainerRecord r, const char* image, bool replaced = false) {
    r.spec_image = image;
    r.replaced = replaced;
    return r;
  };
  constexpr const char* kImages = R"({"restartPolicy":"Never","initContainers":[{"name":"s","image":"s:1","restartPolicy":"Always"},{"name":"i","image":"i:1"}],"containers":[{"name":"a","image":"a:1"}]})";
  ContainerRecord sidecar = of_image(record("s", Phase::kRunning, 0, 0, Kind::kInit), "s:1"), init = record("i", Phase::kExited, 0, 0, Kind::kInit);
  struct Row {
    const char* name;
    std::vector<ContainerRecord> records;
    const char* expected;
  };
  const Row rows[] = {
      {"the same", {sidecar, init, of_image(record("a", Phase::kRunning), "a:1")}, ""},
      {"of an older bramble", {sidecar, init, record("a", Phase::kRunning)}, ""},
      {"another", {sidecar, init, of_image(record("a", Phase::kRunning), "a:0")}, "end a (Container a definition changed, will be restarted)"},
      {"of a sidecar", {of_image(sidecar, "s:0"), init}, "start a#0 end s (Init container s definition changed)"},
      {"not of an init container", {sidecar, of_image(record("i", Phase::kRunning, 0, 0, Kind::kInit), "i:0")}, ""},
      {"it has ended", {sidecar, init, of_image(record("a", Phase::kExited, 137), "a:0", true)}, "start a#1"},
      {"it had ended before", {sidecar, init, of_image(record("a", Phase::kExited, 1), "a:0")}, "stop s"},
  };
  for (const auto& row : rows) {
    RestartBackoff backoff;
    backoff.note_restart("a", 999 * 1000000LL);
    Document pod = pod_of(kImages);
    EXPECT_EQ(text_of(plan_pod(pod.root(), row.records, backoff, 1001 * 1000000LL)), row.expected) << row.name;
  }
}

TEST(PodPlan, end_what_is_not_well_and_wait_for_what_starts) {
  ContainerRecord sidecar = record("s", Phase::kRunning, 0, 0, Kind::kInit), init = record("i", Phase::kExited, 0, 0, Kind::kInit), a = record("a", Phase::kRunning);
  ContainerHealth starting, sick, dead;
  starting.started = false;
  sick.liveness_failed = true;
  dead.started = false;
  dead.startup_failed = true;
  constexpr const char* kRules = R"({"restartPolicy":"Never","containers":[{"name":"a","restartPolicy":"OnFailure","restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"NotIn","values":[1,2]}}]}]})";
  constexpr const char* kEphemeral = R"({"initContainers":[{"name":"i"}],"containers":[{"name":"a"}],"ephemeralContainers":[{"name":"e"}]})";
  auto ended = [](const char* name, int code, bool restart) {
    ContainerRecord r = record(name, Phase::kExited, code);
    r.restart = restart;
    return r;
  };
  struct Row {
    const char *name, *spec;
    std::vector<ContainerRecord> records;
    PodMoment moment;
    const char* expected;
  };
  const Row rows[] = {
      {"a sidecar that has not started up holds up the rest", kSidecar, {sidecar}, {{}, {}, {{"s-0", starting}}}, ""},
      {"nor has one whose start is under way", kSidecar, {sidecar}, {{"s"}, {}, {}}, ""},
      {"not when the pod's own containers have begun", kSidecar, {sidecar, init, a}, {{}, {}, {{"s-0", starting}}}, ""},
      {"a sidecar that does not start up", kSidecar, {sidecar}, {{}, {}, {{"s-0", dead}}}, "end s (Init container s failed startup probe)"},
      {"a sick sidecar", kSidecar, {sidecar, init, a}, {{}, {}, {{"s-0", sick}}}, "end s (Init container s failed liveness probe)"},
      {"a sick container", kTwo, {a, record("b", Phase::kRunning)}, {{}, {}, {{"a-0", sick}}}, "end a (Container a failed liveness probe, will be restarted)"},
      {"is ended once", kTwo, {a, record("b", Phase::kRunning)}, {{}, {"a-0"}, {{"a-0", sick}}}, ""},
      {"one that is never restarted", kNever, {a, record("b", Phase::kRunning)}, {{}, {}, {{"a-0", dead}}}, "end a (Container a failed startup probe)"},
      {"what was ended to be restarted is, whatever its exit code", kOnFailure, {ended("a", 0, true)}, {}, "start a#1"},
      {"what is being started is not started again", kTwo, {ended("a", 1, false), record("b", Phase::kRunning)}, {{"a"}, {}, {}}, ""},
      {"nor is a pod's work done meanwhile", kNever, {ended("a", 1, false)}, {{"b"}, {}, {}}, ""},
      {"a rule restarts", kRules, {ended("a", 3, false)}, {}, "start a#1"},
      {"no rule, then the container's policy", kRules, {ended("a", 2, false)}, {}, "start a#1"},
      {"a rule restarts even success", kRules, {ended("a", 0, false)}, {}, "start a#1"},
      {"ephemeral containers wait for nobody", kEphemeral, {}, {}, "start e#0 start i#0"},
      {"and run once", kEphemeral, {init, a, ended("e", 1, false)}, {}, ""},
  };
  for (const auto& row : rows) {
    RestartBackoff none;
    Document pod = pod_of(row.spec);
    EXPECT_EQ(text_of(plan_pod(pod.root(), row.records, none, 2000 * 1000000LL, row.moment)), row.expected) << row.name;
  }
}

TEST(PodPlan, counts_on_from_the_restarts_that_the_api_remembers) {
  RestartBackoff none;
  Document pod = pod_of(R"({"containers":[{"name":"a"}]})", R"({"containerStatuses":[{"name":"a","restartCount":4,"containerID":"bramble://x"}]})");
  EXPECT_EQ(text_of(plan_pod(pod.root(), {}, none, 0)), "start a#5");
}

TEST(RestartBackoff, doubles_from_ten_seconds_to_five_minutes_and_forgets) {
  constexpr int64_t s = 1000000;
  RestartBackoff b;
  int64_t end = 1000 * s;
  EXPECT_EQ(b.wait_us("c", end, end), 0);  // the first restart is at once
  const char* delays[] = {"10s", "20s", "40s", "1m20s", "2m40s", "5m0s", "5m0s"};
  for (const char* d : delays) {
    b.note_restart("c", end);
    EXPECT_EQ(go_duration(b.delay_us("c")), d);
    end += b.delay_us("c") + s;
    EXPECT_EQ(b.wait_us("c", end, end + 1 * s), b.delay_us("c") - s);
    EXPECT_EQ(b.wait_us("other", end, end), 0);
  }
  end += 601 * s;
  EXPECT_EQ(b.wait_us("c", end, end), 0);
  b.note_restart("c", end);
  EXPECT_EQ(go_duration(b.delay_us("c")), "10s");
}

TEST(RestartBackoff, makes_the_plan_wait_and_tells_until_when) {
  constexpr int64_t s = 1000000;
  RestartBackoff b;
  b.note_restart("a", 990 * s);
  Document pod = pod_of(R"({"containers":[{"name":"a"}]})");
  PodPlan a = plan_pod(pod.root(), {record("a", Phase::kExited, 1, 1)}, b, 1003 * s);
  EXPECT_EQ(text_of(a), "wait a");
  EXPECT_EQ(a.again_us, 1010 * s);
}

TEST(PodPlan, begin_all_anew_when_a_rule_says_so) {
  constexpr const char* kAll = R"({"restartPolicy":"Never","initContainers":[{"name":"i"},{"name":"s","restartPolicy":"Always"}],"containers":[{"name":"a","restartPolicy":"Never",
    "restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"In","values":[1]}},{"action":"RestartAllContainers","exitCodes":{"operator":"In","values":[1,88]}}]},{"name":"b"}]})";
  auto reset = [](ContainerRecord r) {
    r.reset = true;
    return r;
  };
  ContainerRecord i = record("i", Phase::kExited, 0, 0, Kind::kInit), sidecar = record("s", Phase::kRunning, 0, 0, Kind::kInit), b = record("b", Phase::kRunning);
  ContainerRecord i0 = reset(i), s0 = reset(record("s", Phase::kExited, 137, 0, Kind::kInit)), a0 = reset(record("a", Phase::kExited, 88)), b0 = reset(record("b", Phase::kExited, 137));
  struct Row {
    const char* name;
    std::vector<ContainerRecord> records;
    bool resetting;
    const char* expected;
  };
  const Row rows[] = {
      {"another exit code", {i, sidecar, record("a", Phase::kExited, 2), b}, false, ""},
      {"the first rule that matches", {i, sidecar, record("a", Phase::kExited, 1), b}, false, "start a#1"},
      {"its exit code", {i, sidecar, record("a", Phase::kExited, 88), b}, false, "reset"},
      {"until all have ended", {i, sidecar, record("a", Phase::kRunning), b}, true, "reset"},
      {"init containers first", {i0, s0, a0, b0}, false, "start i#1"},
      {"then sidecars", {i0, s0, a0, b0, record("i", Phase::kExited, 0, 1, Kind::kInit)}, false, "start s#1"},
      {"then the others, without back-off", {i0, s0, a0, b0, record("i", Phase::kExited, 0, 1, Kind::kInit), record("s", Phase::kRunning, 0, 1, Kind::kInit)}, false, "start a#1 start b#1"},
  };
  Document pod = pod_of(kAll);
  EXPECT_TRUE(may_reset(pod.root()));
  for (const auto& row : rows) {
    RestartBackoff none;
    PodMoment moment;
    moment.resetting = row.resetting;
    PodPlan plan = plan_pod(pod.root(), row.records, none, 2000 * 1000000LL, moment);
    EXPECT_EQ(plan.reset ? std::string("reset") : text_of(plan), row.expected) << row.name;
  }
}

}  // namespace
}  // namespace bramble

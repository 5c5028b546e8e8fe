#include "core/kubelet/pod_resize.h"

#include <gtest/gtest.h>

#include "core/kubelet/pod_status.h"
#include "core/resources/pod_view.h"

namespace bramble {
namespace {

using Phase = ContainerRecord::Phase;

Document parse(std::string_view json) {
  auto d = Document::parse(json);
  CHECK(d.ok(), json, d.error().message());
  return *d;
}

std::string resources(std::string_view cpu, std::string_view memory) {
  return cat(R"({"limits":{"cpu":")", cpu, R"(","memory":")", memory, R"("},"requests":{"cpu":")", cpu, R"(","memory":")", memory, R"("}})");
}

Document pod_of(std::string_view a, std::string_view b, std::string_view of_pod = "", std::string_view policy = "[]") {
  return parse(cat(R"({"metadata":{"name":"p","namespace":"n","uid":"u","generation":3},"spec":{)", of_pod.empty() ? "" : cat(R"("resources":)", of_pod, ","), R"("containers":[{"name":"a","resizePolicy":)", policy,
                   R"(,"resources":)", a, R"(},{"name":"b","resources":)", b, "}]}}"));
}

ContainerRecord running(const char* name, std::string_view given) {
  ContainerRecord r;
  r.id = name;
  r.name = name;
  r.phase = Phase::kRunning;
  if (!given.empty()) r.resources = parse(given);
  return r;
}

std::string text_of(const ResizePlan& plan) {
  std::string out;
  for (const auto& s : plan.steps) {
    out += cat(s.part == ResizeStep::kCpu ? "cpu " : "memory ", s.container_id.empty() ? "pod" : s.container_id, "=");
    if (s.part == ResizeStep::kCpu) out += cat(s.limits.cpu_shares, "/", s.limits.cpu_quota_us ? cat(*s.limits.cpu_quota_us) : "none", " ");
    else out += cat(s.limits.memory_bytes ? cat(*s.limits.memory_bytes >> 20) : "none", " ");
  }
  for (const auto& id : plan.restart) out += cat("restart ", id, " ");
  if (plan.in_progress) out += "in progress";
  return std::string(trim(out));
}

TEST(PodResize, gives_the_pod_before_its_containers_and_takes_from_them_first) {
  const std::string small = resources("100m", "64Mi"), big = resources("200m", "128Mi"), middle = resources("150m", "96Mi");
  const std::string restart_memory = R"([{"resourceName":"cpu","restartPolicy":"NotRequired"},{"resourceName":"memory","restartPolicy":"RestartContainer"}])";
  const std::string more_cpu = R"({"limits":{"cpu":"200m","memory":"64Mi"},"requests":{"cpu":"200m","memory":"64Mi"}})";
  struct Row {
    const char* name;
    Document before, after;
    std::vector<ContainerRecord> records;
    const char* expected;
  };
  const Row rows[] = {
      {"nothing", pod_of(small, small), pod_of(small, small), {running("a", small), running("b", small)}, ""},
      {"up", pod_of(small, small), pod_of(big, small), {running("a", small), running("b", small)},
       "memory pod=192 memory a=128 cpu pod=307/30000 cpu a=204/20000 in progress"},
      {"down", pod_of(big, small), pod_of(small, small), {running("a", big), running("b", small)},
       "memory a=64 memory pod=128 cpu a=102/10000 cpu pod=204/20000 in progress"},
      {"one up, one down", pod_of(small, big), pod_of(big, small), {running("a", small), running("b", big)}, "memory b=64 memory a=128 cpu b=102/10000 cpu a=204/20000 in progress"},
      {"up more than down", pod_of(small, middle), pod_of(big, small), {running("a", small), running("b", middle)},
       "memory pod=192 memory b=64 memory a=128 cpu pod=307/30000 cpu b=102/10000 cpu a=204/20000 in progress"},
      {"what does not run waits for its start", pod_of(small, small), pod_of(big, small), {running("b", small)}, "memory pod=192 cpu pod=307/30000"},
      {"of an older bramble", pod_of(small, small), pod_of(small, small), {running("a", ""), running("b", "")}, ""},
      {"by a restart", pod_of(small, small, "", restart_memory), pod_of(big, small, "", restart_memory), {running("a", small), running("b", small)},
       "memory pod=192 cpu pod=307/30000 restart a in progress"},
      {"less by a restart: the pod keeps its own until it has ended", pod_of(big, small, "", restart_memory), pod_of(small, small, "", restart_memory), {running("a", big), running("b", small)},
       "restart a in progress"},
      {"a policy of what does not change", pod_of(small, small, "", restart_memory), pod_of(more_cpu, small, "", restart_memory), {running("a", small), running("b", small)},
       "cpu pod=307/30000 cpu a=204/20000 in progress"},
      {"no limits", pod_of("{}", "{}"), pod_of(R"({"requests":{"cpu":"100m"}})", "{}"), {running("a", "{}"), running("b", "{}")}, "cpu pod=102/none cpu a=102/none in progress"},
      {"of the pod as a whole: containers without limits follow it", pod_of("{}", "{}", small), pod_of("{}", "{}", big), {running("a", "{}"), running("b", "{}")},
       "memory pod=128 memory a=128 memory b=128 cpu pod=204/20000 cpu a=204/20000 cpu b=204/20000 in progress"},
  };
  for (const auto& row : rows)
    EXPECT_EQ(text_of(plan_resize(row.after.root(), row.before["spec"]["resources"], row.records, pod_limits(row.before.root()))), row.expected) << row.name;
}

TEST(PodResize, takes_no_memory_that_is_in_use) {
  const std::string small = resources("100m", "64Mi"), big = resources("100m", "128Mi");
  Document before = pod_of(big, small), after = pod_of(small, small);
  std::vector<ContainerRecord> records = {running("a", big), running("b", small)};
  PodCgroupLimits now = pod_limits(before.root());
  ResizePlan plan = plan_resize(after.root(), {}, records, now);
  EXPECT_TRUE(plan.lowers_memory);
  EXPECT_EQ(forbidden_decrease(after.root(), records, plan, now, {{"", 5 << 20}, {"a", 3 << 20}}), "");
  EXPECT_EQ(forbidden_decrease(after.root(), records, plan, now, {{"", 70 << 20}, {"a", 65 << 20}}),
            "cannot decrease memory limits: attempting to set container \"a\" memory limit (67108864) below current usage (73400320)");
  EXPECT_EQ(forbidden_decrease(after.root(), records, plan, now, {{"", 130 << 20}, {"a", 65 << 20}}),
            "cannot decrease memory limits: [attempting to set pod memory limit (134217728) below current usage (136314880), "
            "attempting to set container \"a\" memory limit (67108864) below current usage (136314880)]");
  EXPECT_EQ(forbidden_decrease(after.root(), records, plan, now, {}), "cannot decrease memory limits: [missing pod memory usage, missing container \"a\" memory usage]");
  EXPECT_FALSE(plan_resize(before.root(), {}, {running("a", small), running("b", small)}, pod_limits(after.root())).lowers_memory);
}

TEST(PodResize, gives_no_other_share_of_swap_in_place) {
  const std::string small = resources("100m", "64Mi"), big = resources("100m", "128Mi"), faster = resources("200m", "64Mi");
  const std::string restarts = R"([{"resourceName":"memory","restartPolicy":"RestartContainer"}])";
  auto all = [](Value, Value) { return true; };
  auto none = [](Value, Value) { return false; };
  EXPECT_TRUE(resizes_swap(pod_of(big, small).root(), pod_of(small, small).root(), all));
  EXPECT_FALSE(resizes_swap(pod_of(big, small).root(), pod_of(small, small).root(), none));
  EXPECT_FALSE(resizes_swap(pod_of(faster, small).root(), pod_of(small, small).root(), all));
  EXPECT_FALSE(resizes_swap(pod_of(big, small, "", restarts).root(), pod_of(small, small, "", restarts).root(), all));
}

TEST(PodResize, keeps_what_has_been_allocated_apart_from_what_is_asked_for) {
  const std::string small = resources("100m", "64Mi"), big = resources("200m", "128Mi");
  Document before = pod_of(small, small), after = pod_of(big, small);
  Document allocation = allocation_of(before.root());
  EXPECT_TRUE(with_allocation(before, allocation.root()).same(before));
  Document allocated = with_allocation(after, allocation.root());
  EXPECT_TRUE(equal(allocated.root(), before.root())) << allocated.root().dump();
  EXPECT_TRUE(increases_requests(allocated.root(), after.root()));
  EXPECT_FALSE(increases_requests(after.root(), before.root()));
  // What a container still has counts.
  Document held = with_held(before, {running("a", big), running("b", small)});
  EXPECT_EQ(PodView(held).requests()["cpu"].milli(), 300);
  EXPECT_EQ(PodView(with_held(before, {running("a", small)})).requests()["cpu"].milli(), 200);
  // A machine that has forgotten asks the API.
  Builder b(after.root());
  Mut status = b.root().object("status").array("containerStatuses").append_object();
  status.set("name", "a");
  Document given = parse(small);
  status.set("resources", given.root());
  status.set("allocatedResources", given["requests"]);
  Document shown = b.finish();
  EXPECT_TRUE(equal(allocation_in_status(shown.root()).root(), allocation.root())) << allocation_in_status(shown.root()).root().dump();
}

TEST(PodResize, tells_it_in_the_status_and_in_events) {
  const std::string small = resources("100m", "64Mi"), big = resources("200m", "128Mi");
  Document pod = pod_of(big, small);
  EXPECT_EQ(resize_message("started", pod.root(), 3, ""), cat(R"(Pod resize started: {"containers":[{"name":"a","resources":)", big, R"(},{"name":"b","resources":)", small, R"(}],"generation":3})"));
  EXPECT_EQ(resize_message("OutOfcpu", parse(R"({"spec":{"containers":[{"name":"a"}]}})").root(), 1, "why"),
            R"(Pod resize OutOfcpu: {"containers":[{"name":"a","resources":{}}],"generation":1,"error":"why"})");
  PodStatusFacts facts;
  Document allocation = allocation_of(pod_of(small, small).root());
  facts.allocated = with_allocation(pod, allocation.root());
  facts.records = {running("a", resources("50m", "32Mi")), running("b", small)};
  facts.cgroup = PodCgroupLimits{153, 15000, 96 << 20, std::nullopt, 100000};
  facts.resize_pending = ResizeCondition{"Deferred", "no room", 3, 1767323045000000, 1767323045000000};
  facts.resize_in_progress = ResizeCondition{"", "", 2, 1767323045000000, 1767323045000000};
  Document first = pod_status(pod.root(), facts, 1767323045000000);
  Value a = first["containerStatuses"].item(0);
  EXPECT_TRUE(equal(a["resources"], parse(resources("50m", "32Mi")).root())) << a.dump();
  EXPECT_TRUE(equal(a["allocatedResources"], parse(small)["requests"])) << a.dump();
  Builder b(pod.root());
  b.root().set("status", first.root());
  Document running_pod = b.finish();
  Document second = pod_status(running_pod.root(), facts, 1767323049000000);
  EXPECT_EQ(second["resources"].dump(), R"({"limits":{"cpu":"150m","memory":"96Mi"},"requests":{"cpu":"150m","memory":"128Mi"}})");
  EXPECT_EQ(second["allocatedResources"].dump(), R"({"cpu":"200m","memory":"128Mi"})");
  std::string conditions;
  for (Value c : second["conditions"].items())
    if (c["type"].str().starts_with("PodResize")) conditions += c.dump();
  EXPECT_EQ(conditions,
            R"({"type":"PodResizePending","status":"True","observedGeneration":3,"lastProbeTime":"2026-01-02T03:04:05Z","lastTransitionTime":"2026-01-02T03:04:05Z","reason":"Deferred","message":"no room"})"
            R"({"type":"PodResizeInProgress","status":"True","observedGeneration":2,"lastProbeTime":"2026-01-02T03:04:05Z","lastTransitionTime":"2026-01-02T03:04:05Z"})");
  // A pod that has ended has neither.
  facts.failed_reason = "Evicted";
  facts.records.clear();
  EXPECT_EQ(pod_status(pod.root(), facts, 1)["conditions"].dump().find("PodResize"), std::string::npos);
  // Nothing asked for, nothing told.
  PodStatusFacts none;
  Document bare = pod_status(parse(R"({"metadata":{"uid":"u"},"spec":{"containers":[{"name":"a"}]}})").root(), none, 1);
  EXPECT_EQ(bare["resources"].dump(), "{}");
  EXPECT_FALSE(bare.root().has("allocatedResources"));
}

}  // namespace
}  // namespace bramble

// Thresholds, conditions, ranking and texts of evictions by what a node is short of; limits of what pods hold on disk.
#include "core/kubelet/eviction_plan.h"

#include <gtest/gtest.h>

#include "core/kubelet/node_settings.h"
#include "core/kubelet/storage_limits.h"

namespace bramble {
namespace {

constexpr int64_t kMinute = 60 * 1000000LL;
constexpr uint64_t kMi = 1 << 20;

std::vector<EvictionThreshold> thresholds(BySignal hard, BySignal soft = {}, BySignal grace = {}, BySignal reclaim = {}, bool pods_are_limited = false) {
  auto out = parse_thresholds(hard, soft, grace, reclaim, pods_are_limited);
  EXPECT_TRUE(out.ok()) << out.error().message();
  return out.ok() ? *out : std::vector<EvictionThreshold>();
}

TEST(EvictionThresholds, are_read_as_upstream_reads_them) {
  auto t = thresholds({{"memory.available", "100Mi"}, {"nodefs.available", "10%"}, {"containerfs.available", "3%"}, {"pid.available", "0%"}}, {{"memory.available", "200Mi"}}, {{"memory.available", "1m30s"}},
                      {{"memory.available", "50Mi"}}, true);
  ASSERT_EQ(t.size(), 4u);
  EXPECT_EQ(t[0].below.of(0), 100 * kMi);
  EXPECT_EQ(t[0].reclaim.of(0), 50 * kMi);
  EXPECT_EQ(t[1].below.of(1000), 100u);
  EXPECT_TRUE(t[2].soft);
  EXPECT_EQ(t[2].grace_us, 90 * 1000000);
  EXPECT_EQ(t[3].signal, Signal::kAllocatableMemory);
  EXPECT_EQ(t[3].below.of(0), 100 * kMi);
  EXPECT_TRUE(thresholds({}).empty());
  struct Case {
    const char* name;
    BySignal hard, soft, grace, reclaim;
    const char* message;
  };
  for (const Case& c : {Case{"no such signal", {{"foo.bar", "1"}}, {}, {}, {}, "unsupported eviction signal foo.bar"}, Case{"more than all", {{"nodefs.available", "101%"}}, {}, {}, {}, "eviction percentage threshold nodefs.available must be <= 100%: 101%"},
                        Case{"less than nothing of it", {{"nodefs.available", "-1%"}}, {}, {}, {}, "eviction percentage threshold nodefs.available must be >= 0%: -1%"},
                        Case{"less than nothing", {{"memory.available", "-1"}}, {}, {}, {}, "eviction threshold memory.available must be positive: -1"},
                        Case{"no grace for a soft one", {}, {{"memory.available", "1"}}, {}, {}, "grace period must be specified for the soft eviction threshold memory.available"},
                        Case{"grace below nothing", {}, {{"memory.available", "1"}}, {{"memory.available", "-1s"}}, {}, "invalid eviction grace period specified: -1s, must be a positive value"},
                        Case{"a grace's signal", {}, {}, {{"x", "1s"}}, {}, "unsupported eviction signal x"},
                        Case{"reclaim below nothing", {}, {}, {}, {{"memory.available", "-1Mi"}}, "negative eviction minimum reclaim specified for memory.available"},
                        Case{"reclaim of nothing", {}, {}, {}, {{"memory.available", "0%"}}, "eviction percentage minimum reclaim memory.available must be positive: 0%"}}) {
    auto parsed = parse_thresholds(c.hard, c.soft, c.grace, c.reclaim, false);
    ASSERT_FALSE(parsed.ok()) << c.name;
    EXPECT_EQ(parsed.error().message(), c.message) << c.name;
  }
}

TEST(EvictionThresholds, are_by_default_what_suits_the_machine) {
  struct Case {
    const char* name;
    int64_t machine_mi;
    uint64_t memory_bytes;
  };
  for (const Case& c : {Case{"a board of 512 MB", 512, 26843546}, Case{"of 1 GB", 1024, 53687092}, Case{"of 2 GB", 2048, 100 * kMi}, Case{"of 8 GB", 8192, 100 * kMi}}) {
    auto t = NodeSettings().thresholds(c.machine_mi << 20);
    ASSERT_TRUE(t.ok());
    bool found = false;
    for (const EvictionThreshold& one : *t) {
      if (one.signal != Signal::kMemory) continue;
      found = true;
      EXPECT_NEAR(static_cast<double>(one.below.of(static_cast<uint64_t>(c.machine_mi) << 20)), static_cast<double>(c.memory_bytes), 100) << c.name;
    }
    EXPECT_TRUE(found) << c.name;
  }
  NodeSettings s;
  s.eviction_hard = BySignal{{"nodefs.available", "1Gi"}};
  EXPECT_EQ(s.thresholds(8LL << 30)->size(), 1u) << "who gives some gives all";
  s.merge_default_evictions = true;
  EXPECT_EQ(s.thresholds(8LL << 30)->size(), 6u);
}

TEST(EvictionState, a_hard_threshold_acts_at_once_and_its_condition_lasts) {
  EvictionState state(thresholds({{"memory.available", "100Mi"}}, {}, {}, {{"memory.available", "20Mi"}}), limits::kEvictionTransitionUs);
  struct Case {
    const char* name;
    int64_t at_min;
    uint64_t available_mi;
    bool acts;
    std::string pressures;
  };
  for (const Case& c : {Case{"enough", 0, 200, false, ""}, Case{"short", 1, 99, true, "MemoryPressure"}, Case{"not enough more", 2, 119, true, "MemoryPressure"}, Case{"over", 3, 120, false, "MemoryPressure"},
                        Case{"not over for long", 6, 200, false, "MemoryPressure"}, Case{"over for long", 8, 200, false, ""}, Case{"what would not do before does now", 9, 110, false, ""}}) {
    auto verdict = state.look({{Signal::kMemory, {c.available_mi * kMi, 1000 * kMi}}}, c.at_min * kMinute);
    EXPECT_EQ(verdict.act.has_value(), c.acts) << c.name;
    EXPECT_EQ(join(verdict.pressures, " "), c.pressures) << c.name;
  }
}

TEST(EvictionState, a_soft_threshold_waits_its_grace_while_its_condition_holds) {
  EvictionState state(thresholds({}, {{"nodefs.available", "10%"}}, {{"nodefs.available", "2m"}}, {{"nodefs.available", "10%"}}), limits::kEvictionTransitionUs);
  const SignalStates low = {{Signal::kNodeDisk, {5, 100}}}, more = {{Signal::kNodeDisk, {15, 100}}}, enough = {{Signal::kNodeDisk, {50, 100}}};
  auto first = state.look(low, kMinute);
  EXPECT_FALSE(first.act);
  EXPECT_EQ(first.pressures, std::vector<std::string>{"DiskPressure"});
  EXPECT_FALSE(state.look(more, 2 * kMinute).act) << "within its grace what is to be reclaimed does not count: its grace begins anew";
  EXPECT_FALSE(state.look(low, 3 * kMinute).act);
  EXPECT_FALSE(state.look(low, 4 * kMinute).act);
  EXPECT_TRUE(state.look(low, 5 * kMinute).act);
  EXPECT_TRUE(state.look(more, 6 * kMinute).act) << "now it does";
  EXPECT_FALSE(state.look(enough, 7 * kMinute).act);
  EXPECT_FALSE(state.look(low, 8 * kMinute).act);
}

TEST(EvictionState, memory_goes_before_disk_and_what_is_not_known_is_not_met) {
  EvictionState state(thresholds({{"nodefs.available", "10%"}, {"memory.available", "100Mi"}, {"pid.available", "10"}}), limits::kEvictionTransitionUs);
  auto verdict = state.look({{Signal::kMemory, {1, 2}}, {Signal::kNodeDisk, {1, 100}}, {Signal::kPids, {9, 100}}}, kMinute);
  ASSERT_TRUE(verdict.act);
  EXPECT_EQ(verdict.act->signal, Signal::kMemory);
  EXPECT_EQ(join(verdict.pressures, " "), "DiskPressure MemoryPressure PIDPressure");
  EXPECT_FALSE(state.look({}, 2 * kMinute).act);
}

TEST(EvictionRanking, is_upstreams) {
  auto pod = [](const char* uid, int64_t priority, uint64_t used, uint64_t requested, bool measured = true) {
    EvictionCandidate c;
    c.uid = uid, c.priority = priority, c.used = used, c.requested = requested, c.measured = measured;
    return c;
  };
  const std::vector<EvictionCandidate> pods = {pod("within", 0, 90, 100),    pod("over a bit", 0, 110, 100),     pod("over much", 0, 500, 100), pod("over, but of weight", 1000, 900, 100),
                                               pod("unknown", 5000, 0, 0, false), pod("light", -5, 10, 100)};
  auto names = [&](Signal signal) {
    std::string out;
    for (size_t i : rank_for_eviction(signal, pods)) out += cat(pods[i].uid, "; ");
    return out;
  };
  EXPECT_EQ(names(Signal::kMemory), "unknown; over much; over a bit; over, but of weight; light; within; ");
  EXPECT_EQ(names(Signal::kPids), "light; over much; over a bit; within; over, but of weight; unknown; ");
}

TEST(EvictionRanking, counts_files_of_the_disk_that_is_short) {
  struct Case {
    const char* name;
    Signal signal;
    bool own_image_disk, layers, logs, volumes, images_help;
  };
  for (const Case& c : {Case{"one disk", Signal::kNodeDisk, false, true, true, true, true}, Case{"one disk, asked by the images' name", Signal::kImageInodes, false, true, true, true, true},
                        Case{"the node's of two", Signal::kNodeInodes, true, false, true, true, false}, Case{"the images' of two", Signal::kImageDisk, true, true, false, false, true}}) {
    const CountedFiles f = counted_files(c.signal, c.own_image_disk);
    EXPECT_EQ(f.layers, c.layers) << c.name;
    EXPECT_EQ(f.logs, c.logs) << c.name;
    EXPECT_EQ(f.volumes, c.volumes) << c.name;
    EXPECT_EQ(images_help(c.signal, c.own_image_disk), c.images_help) << c.name;
  }
  EXPECT_FALSE(images_help(Signal::kMemory, false));
}

TEST(EvictionGrace, is_a_second_or_the_lesser_of_two) {
  auto pod = Document::parse(R"({"spec":{"terminationGracePeriodSeconds":30}})");
  auto hard = thresholds({{"memory.available", "1"}})[0], soft = thresholds({}, {{"memory.available", "1"}}, {{"memory.available", "1s"}})[0];
  EXPECT_EQ(eviction_grace_s(hard, PodView(*pod), 20), 1);
  EXPECT_EQ(eviction_grace_s(soft, PodView(*pod), 20), 20);
  EXPECT_EQ(eviction_grace_s(soft, PodView(*pod), 60), 30);
}

TEST(EvictionTexts, are_upstreams) {
  auto t = thresholds({{"memory.available", "100Mi"}, {"nodefs.inodesFree", "5%"}});
  EXPECT_EQ(eviction_message(t[0], {50 * kMi, 1000 * kMi}, {{"a", 1024 * kMi, Quantity::of(0)}, {"b", 10 * kMi, *Quantity::parse("20Mi")}}),
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container a was using 1Gi, request is 0, has larger consumption of memory. ");
  EXPECT_EQ(eviction_message(t[1], {3, 100}, {}), "The node was low on resource: inodes. Threshold quantity: 5, available: 3. ");
}

TEST(EvictionAdmission, is_by_condition_and_class) {
  struct Case {
    const char *name, *spec;
    std::vector<std::string> pressures;
    const char* why;  // "": may come
  };
  const char* best_effort = R"({"containers":[{"name":"a"}]})";
  const char* burstable = R"({"containers":[{"name":"a","resources":{"requests":{"cpu":"1m"}}}]})";
  for (const Case& c : {Case{"no pressure", best_effort, {}, ""}, Case{"best effort", best_effort, {"MemoryPressure"}, "The node had condition: [MemoryPressure]. "}, Case{"burstable", burstable, {"MemoryPressure"}, ""},
                        Case{"it tolerates that", R"({"containers":[{"name":"a"}],"tolerations":[{"key":"node.kubernetes.io/memory-pressure","operator":"Exists","effect":"NoSchedule"}]})", {"MemoryPressure"}, ""},
                        Case{"disk", burstable, {"DiskPressure"}, "The node had condition: [DiskPressure]. "}, Case{"both", burstable, {"DiskPressure", "MemoryPressure"}, "The node had condition: [DiskPressure MemoryPressure]. "},
                        Case{"critical", R"({"priority":2000000000,"containers":[{"name":"a"}]})", {"DiskPressure"}, ""}}) {
    auto pod = Document::parse(cat(R"({"metadata":{"name":"p"},"spec":)", c.spec, "}"));
    ASSERT_TRUE(pod.ok());
    EXPECT_EQ(refusal_under_pressure(PodView(*pod), c.pressures).value_or(""), c.why) << c.name;
  }
}

TEST(StorageLimits, are_of_volumes_containers_and_pods) {
  struct Case {
    const char *name, *spec;
    uint64_t volume_mi, layer_mi, log_mi;
    bool own_image_disk;
    const char *signal, *message;
  };
  const char* volume = R"({"containers":[{"name":"a"}],"volumes":[{"name":"v","emptyDir":{"sizeLimit":"10Mi"}}]})";
  const char* container = R"({"containers":[{"name":"a","resources":{"limits":{"ephemeral-storage":"10Mi"}}},{"name":"b","resources":{"limits":{"ephemeral-storage":"90Mi"}}}],"volumes":[{"name":"v","emptyDir":{}}]})";
  for (const Case& c : {Case{"a volume within", volume, 10, 500, 500, false, "", ""}, Case{"a volume over", volume, 11, 0, 0, false, "emptydirfs.limit", "Usage of EmptyDir volume \"v\" exceeds the limit \"10Mi\". "},
                        Case{"a container within", container, 50, 4, 5, false, "", ""},
                        Case{"a container over", container, 0, 6, 5, false, "ephemeralcontainerfs.limit", "Container a exceeded its local ephemeral storage limit \"10Mi\". "},
                        Case{"its layer is elsewhere", container, 0, 6, 5, true, "", ""},
                        Case{"the pod over", container, 95, 3, 3, false, "ephemeralpodfs.limit", "Pod ephemeral local storage usage exceeds the total limit of containers 100Mi. "},
                        Case{"no limits", R"({"containers":[{"name":"a"}],"volumes":[{"name":"v","emptyDir":{}}]})", 5000, 5000, 5000, false, "", ""}}) {
    auto pod = Document::parse(cat(R"({"metadata":{"name":"p"},"spec":)", c.spec, "}"));
    ASSERT_TRUE(pod.ok());
    auto folder = [](uint64_t mi) {
      FolderReading f;
      f.scan = DiskScan{mi * kMi, 1, true};
      return f;
    };
    PodReading reading;
    ContainerReading a;
    a.name = "a";
    a.layer = folder(c.layer_mi);
    a.logs = folder(c.log_mi);
    reading.containers.push_back(a);
    VolumeReading v;
    v.name = "v";
    v.in_pod = true;
    v.folder = folder(c.volume_mi);
    reading.volumes.push_back(v);
    EXPECT_EQ(has_storage_limit(PodView(*pod)), std::string_view(c.name) != "no limits") << c.name;
    auto excess = storage_excess(PodView(*pod), reading, c.own_image_disk);
    EXPECT_EQ(excess ? excess->message : "", c.message) << c.name;
    EXPECT_EQ(excess ? excess->signal : "", c.signal) << c.name;
  }
}

}  // namespace
}  // namespace bramble

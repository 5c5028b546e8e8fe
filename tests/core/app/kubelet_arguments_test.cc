// The kubelet's arguments and its configuration file: what they set, and what is said of wrong ones.
#include "core/app/kubelet_arguments.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "core/json/yaml.h"

namespace bramble {
namespace {

TEST(KubeletArguments, set_what_they_say) {
  NodeOptions n;
  Status read = read_kubelet_arguments({"eviction-hard=memory.available<100Mi,nodefs.available<10%", "--eviction-soft=memory.available<200Mi", "eviction-soft-grace-period=memory.available=1m30s", "eviction-minimum-reclaim=nodefs.available=1Gi",
                                        "eviction-max-pod-grace-period=20", "eviction-pressure-transition-period=30s", "system-reserved=cpu=100m,memory=64Mi", "kube-reserved=pid=100", "enforce-node-allocatable=none", "fail-swap-on=false",
                                        "shutdown-grace-period=30s", "shutdown-grace-period-critical-pods=10s", "serialize-image-pulls=false"},
                                       &n);
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(n.settings.eviction_hard, (BySignal{{"memory.available", "100Mi"}, {"nodefs.available", "10%"}}));
  EXPECT_EQ(n.settings.eviction_soft_grace, (BySignal{{"memory.available", "1m30s"}}));
  EXPECT_EQ(n.settings.eviction_reclaim, (BySignal{{"nodefs.available", "1Gi"}}));
  EXPECT_EQ(n.settings.eviction_max_grace_s, 20);
  EXPECT_EQ(n.settings.eviction_transition_us, 30 * 1000000);
  EXPECT_EQ(n.settings.reserves.system.find("memory")->second.text(), "64Mi");
  EXPECT_EQ(n.settings.reserves.kube.find("pid")->second.value(), 100);
  EXPECT_TRUE(n.settings.reserves.enforce.empty());
  EXPECT_EQ(n.settings.shutdown, (std::vector<ShutdownGrace>{{0, 20}, {2000000000, 10}}));
  EXPECT_GT(n.image_pulls_max, 1u);
}

TEST(KubeletArguments, wrong_ones_are_named) {
  struct Case {
    const char *argument, *why;
  };
  for (const Case& c : {Case{"nonsense=1", "\"nonsense=1\": is not known; see bramble server --help"}, Case{"eviction-hard=memory.available=1", "\"eviction-hard=memory.available=1\": malformed pair, expect string<string"},
                        Case{"eviction-hard=foo<1", "unsupported eviction signal foo"}, Case{"eviction-soft=memory.available<1Mi", "grace period must be specified for the soft eviction threshold memory.available"},
                        Case{"system-reserved=pods=1", "\"system-reserved=pods=1\": cannot reserve \"pods\" resource"}, Case{"kube-reserved=memory=-1", "\"kube-reserved=memory=-1\": resource quantity for \"memory\" cannot be negative: -1"},
                        Case{"enforce-node-allocatable=pods,system-reserved",
                             "invalid configuration: systemReservedCgroup (--system-reserved-cgroup) must be specified when \"system-reserved\" or \"system-reserved-compressible\" included in enforceNodeAllocatable (--enforce-node-allocatable)"},
                        Case{"fail-swap-on=maybe", "\"fail-swap-on=maybe\": must be true or false"}, Case{"image-gc-high-threshold=101", "\"image-gc-high-threshold=101\": must be a percentage between 0 and 100"},
                        Case{"image-gc-high-threshold=10", "image-gc-low-threshold 80 must be less than image-gc-high-threshold 10"},
                        Case{"shutdown-grace-period-critical-pods=10s", "invalid configuration: shutdownGracePeriodCriticalPods {10s} must be <= shutdownGracePeriod {0s}"}}) {
    NodeOptions n;
    Status read = read_kubelet_arguments({c.argument}, &n);
    ASSERT_FALSE(read.ok()) << c.argument;
    EXPECT_EQ(read.error().message(), cat("flag --kubelet-arg: ", c.why)) << c.argument;
  }
}

TEST(KubeletArguments, win_over_the_file) {
  const std::string path = cat("/tmp/kubelet-configuration-", getpid(), ".yaml");
  std::ofstream(path) << R"(apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
evictionHard: {memory.available: 50Mi, nodefs.available: 3%}
evictionMaxPodGracePeriod: 7
memorySwap: {swapBehavior: NoSwap}
enforceNodeAllocatable: [pods]
shutdownGracePeriodByPodPriority:
- {priority: 2000, shutdownGracePeriodSeconds: 20}
- {priority: 1000, shutdownGracePeriodSeconds: 10}
systemReserved: {memory: 32Mi}
maxPods: 50
)";
  NodeOptions n;
  Status read = read_kubelet_arguments({"eviction-max-pod-grace-period=9", cat("config=", path)}, &n);
  unlink(path.c_str());
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(n.settings.eviction_hard, (BySignal{{"memory.available", "50Mi"}, {"nodefs.available", "3%"}}));
  EXPECT_EQ(n.settings.eviction_max_grace_s, 9);
  EXPECT_EQ(n.settings.swap, SwapBehavior::kNone);
  EXPECT_EQ(n.settings.shutdown, (std::vector<ShutdownGrace>{{1000, 10}, {2000, 20}}));
  EXPECT_EQ(n.settings.reserves.system.find("memory")->second.text(), "32Mi");
  std::vector<std::string> unknown;
  auto configuration = parse_yaml("kind: KubeletConfiguration\nmaxPods: 5\nfailSwapOn: false\n");
  ASSERT_TRUE(configuration.ok());
  EXPECT_TRUE(read_kubelet_configuration(configuration->root(), &n, &unknown).ok());
  EXPECT_EQ(unknown, std::vector<std::string>{"maxPods"});
  NodeOptions missing;
  EXPECT_FALSE(read_kubelet_arguments({"config=/nowhere/at/all.yaml"}, &missing).ok());
}

}  // namespace
}  // namespace bramble

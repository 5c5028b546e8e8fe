// The node says that it is ready when it is.
#include "tests/core/kubelet/kubelet_fixture.h"

namespace bramble {
namespace {

class NodeReady : public KubeletTest {};

TEST_F(NodeReady, is_false_until_the_network_takes_pods) {
  network_.why_not = "the node has no range of pod addresses yet";
  start_kubelet();
  put_pod("p", R"("containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])");
  put_pod("h", R"("hostNetwork":true,"containers":[{"name":"c","image":"busybox:1","command":["sleep","1000"]}])");
  RUN({
    co_await until_node("False");
    std::string_view not_ready = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:the node has no range of pod addresses yet";
    EXPECT_EQ(find_condition(node()["status"]["conditions"], "Ready")["reason"].str(), "KubeletNotReady");
    EXPECT_EQ(find_condition(node()["status"]["conditions"], "Ready")["message"].str(), not_ready);
    Document host = co_await until_phase("h", "Running");  // needs no pod network
    EXPECT_EQ(network_.adds, 0);
    auto events = client_.events("p");
    EXPECT_EQ(events, std::vector<std::string>{cat("NetworkNotReady: network is not ready: ", not_ready)});
    network_.why_not.clear();
    kubelet_->network_changed();
    co_await until_node("True");
    Document d = co_await until_phase("p", "Running");
    co_await until_event("n1", "NodeReady: Node n1 status is now: NodeReady");
  });
}

// A clock that jumped, or a pause, made a controller think that the node is gone.
TEST_F(NodeReady, is_said_again_at_once_when_somebody_wrote_otherwise) {
  start_kubelet();
  RUN({
    co_await until_node("True");
    co_await sleep_ms(50);
    int before = client_.patches["nodes/n1"];
    for (int i = 1; i <= 2; ++i) {
      Builder b(node());
      set_condition(b.root()["status"]["conditions"], {"Ready", "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status."}, "2030-01-01T00:00:00Z");
      client_.put(kNodes, b.finish());
      co_await until_node("True");
      EXPECT_EQ(find_condition(node()["status"]["conditions"], "Ready")["reason"].str(), "KubeletReady");
      EXPECT_EQ(client_.patches["nodes/n1"], before + i);
    }
    // What others add to the status, and the heartbeats of others, is no reason to write.
    Builder b(node());
    set_condition(b.root()["status"]["conditions"], {"NetworkUnavailable", "False", "RouteCreated", ""}, "2030-01-01T00:00:00Z");
    b.root()["metadata"].object("labels").set("x", "y");
    client_.put(kNodes, b.finish());
    co_await sleep_ms(300);
    EXPECT_EQ(client_.patches["nodes/n1"], before + 2);
  });
}

TEST(NodeCapacity, counts_huge_pages_apart) {
  MachineFacts m;
  m.cpus = 2;
  m.memory_bytes = 1 << 30;
  m.hugepage_bytes = {{"hugepages-1Gi", 0}, {"hugepages-2Mi", 64 << 20}};
  ResourceAmounts capacity = node_capacity(m, 110), allocatable = node_allocatable(m, capacity);
  EXPECT_EQ(capacity.find("hugepages-2Mi")->second.text(), "64Mi");
  EXPECT_EQ(capacity.find("hugepages-1Gi")->second.text(), "0");
  EXPECT_EQ(capacity.find("memory")->second.value(), 1 << 30);
  EXPECT_EQ(allocatable.find("memory")->second.value(), (1 << 30) - (64 << 20));
  EXPECT_EQ(allocatable.find("hugepages-2Mi")->second.text(), "64Mi");
}

}  // namespace
}  // namespace bramble

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
    for (int i = 0; i < 300 && client_.events("n1").empty(); ++i) co_await sleep_ms(10);
    EXPECT_EQ(client_.events("n1"), std::vector<std::string>{"NodeReady: Node n1 status is now: NodeReady"});
  });
}

}  // namespace
}  // namespace bramble

// The node's address against the real kernel, in a network namespace of its own.
#include "core/app/node_address.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <thread>

#include "cni/netlink/netns.h"
#include "cni/netlink/rtnetlink.h"
#include "cni/pod_network.h"
#include "core/app/host_facts.h"
#include "core/base/strings.h"
#include "tests/core/loop/run_task.h"

namespace bramble {
namespace {

class NodeAddress : public testing::Test {
 protected:
  NodeAddress() {
    char dir[] = "/tmp/bramble-address-XXXXXX";
    EXPECT_NE(mkdtemp(dir), nullptr);
    dir_ = dir;
    EXPECT_TRUE(make_netns(netns()).ok());
  }
  ~NodeAddress() override {
    EXPECT_TRUE(remove_netns(netns()).ok());
    rmdir(dir_.c_str());
  }
  std::string netns() const { return dir_ + "/net"; }
  static IpPrefix prefix(const char* text) { return *IpPrefix::parse(text); }
  static Status make_uplink() {
    TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
    TRY(rt.add_bridge("uplink0", 1500));
    TRY_ASSIGN(auto link, rt.find_link("uplink0"));
    return rt.set_up(link->index);
  }
  static Status with_uplink(const std::function<Status(Rtnetlink&, int)>& act) {
    TRY_ASSIGN(Rtnetlink rt, Rtnetlink::open());
    TRY_ASSIGN(auto link, rt.find_link("uplink0"));
    return act(rt, link->index);
  }
  std::string dir_;
};

TEST_F(NodeAddress, is_waited_for_where_the_network_comes_late) {
  EXPECT_TRUE(in_netns(netns(), make_uplink).ok());
  Status waited = Error(Code::kUnavailable, "");
  std::thread server([&] { waited = in_netns(netns(), wait_for_address); });
  Status added = in_netns(netns(), [] { return with_uplink([](Rtnetlink& rt, int link) { return rt.add_address(link, prefix("192.0.2.7/24")); }); });
  EXPECT_TRUE(added.ok());
  server.join();
  EXPECT_TRUE(waited.ok()) << waited.error().message();
}

TEST_F(NodeAddress, is_followed_to_another_one_and_kept_while_there_is_none) {
  Status s = in_netns(netns(), []() -> Status {
    TRY(make_uplink());
    TRY(with_uplink([](Rtnetlink& rt, int link) { return rt.add_address(link, prefix("192.0.2.7/24")); }));
    Loop loop;
    std::vector<std::string> told;
    TRY_ASSIGN(auto watch, AddressWatch::start("192.0.2.7", [&](const std::string& a) { told.push_back(a); }, 20));
    struct Step {
      const char* name;
      std::function<Status(Rtnetlink&, int)> act;
      std::vector<std::string> told;
    };
    const IpPrefix anywhere = prefix("0.0.0.0/0");
    const Step steps[] = {
        {"one more beside it", [](Rtnetlink& rt, int link) { return rt.add_address(link, prefix("198.51.100.7/24")); }, {}},
        {"a default route by it", [&](Rtnetlink& rt, int link) { return rt.add_route(anywhere, prefix("192.0.2.1"), link); }, {}},
        {"it goes, and no route is left", [](Rtnetlink& rt, int link) { return rt.remove_address(link, prefix("192.0.2.7/24")); }, {"198.51.100.7"}},
        {"none is left", [](Rtnetlink& rt, int link) { return rt.remove_address(link, prefix("198.51.100.7/24")); }, {}},
        {"the same comes back", [](Rtnetlink& rt, int link) { return rt.add_address(link, prefix("198.51.100.7/24")); }, {}},
        {"another network",
         [](Rtnetlink& rt, int link) -> Status {
           TRY(rt.remove_address(link, prefix("198.51.100.7/24")));
           return rt.add_address(link, prefix("203.0.113.7/24"));
         },
         {"203.0.113.7"}},
    };
    for (const Step& step : steps) {
      told.clear();
      TRY(with_uplink(step.act));
      run_task(loop, sleep_ms(200));
      EXPECT_EQ(told, step.told) << step.name;
    }
    return ok();
  });
  EXPECT_TRUE(s.ok()) << s.error().message();
}

}  // namespace
}  // namespace bramble

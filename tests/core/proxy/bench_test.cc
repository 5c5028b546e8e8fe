// Figures, printed and not asserted, when BRAMBLE_BENCH is set: what one more Service costs beside many, requests through a cluster address
// against direct ones, what a thousand NetworkPolicies cost.
#include <time.h>

#include <cinttypes>

#include "core/proxy/network_policies.h"
#include "tests/core/proxy/packets_fixture.h"

namespace bramble {
namespace {

double now_ms(clockid_t clock = CLOCK_MONOTONIC) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) * 1000 + static_cast<double>(t.tv_nsec) / 1e6;
}

class ProxyBench : public Packets {
 protected:
  void SetUp() override {
    if (!getenv("BRAMBLE_BENCH")) GTEST_SKIP() << "BRAMBLE_BENCH is not set";
    Packets::SetUp();
  }
  void TearDown() override {
    if (!dir_.empty()) Packets::TearDown();
  }
};

void put_service(FixedClient* client, int n, int endpoints) {
  std::string name = cat("s", n), list;
  for (int e = 0; e < endpoints; e++)
    list += cat(e ? "," : "", R"({"addresses":["10.42.)", 1 + (n + e) % 250, ".", 2 + e, R"("],"conditions":{"ready":true}})");
  client->put(resource_ids::kServices, cat(R"({"metadata":{"name":")", name, R"(","namespace":"default"},"spec":{"clusterIP":"10.43.)", n / 250 + 1, ".", n % 250 + 1,
                                           R"(","ports":[{"name":"p","port":80,"protocol":"TCP"}]}})").c_str());
  client->put(resource_ids::kEndpointSlices, cat(R"({"metadata":{"name":")", name, R"(-x","namespace":"default","labels":{"kubernetes.io/service-name":")", name,
                                                 R"("}},"addressType":"IPv4","ports":[{"name":"p","port":80}],"endpoints":[)", list, "]}").c_str());
}

// Until the loop has nothing to do any more: the timer of the proxy's pass comes before.
void one_turn(Loop* loop) {
  Timer stop([loop] { loop->stop(); });
  stop.arm_ms(1);
  loop->run();
}

TEST_F(ProxyBench, one_more_service) {
  for (int present : {10, 1000, 5000}) {
    Status s = in_netns(dir_ + "/host", [&]() -> Status {
      Loop loop;
      FixedClient client;
      for (int i = 0; i < present; i++) put_service(&client, i, 10);
      Proxy proxy(proxy_options(), client);
      double begun = now_ms(), cpu = now_ms(CLOCK_THREAD_CPUTIME_ID);
      TRY(proxy.start());
      double all = now_ms() - begun, all_cpu = now_ms(CLOCK_THREAD_CPUTIME_ID) - cpu;
      constexpr int kTimes = 20;
      begun = now_ms(), cpu = now_ms(CLOCK_THREAD_CPUTIME_ID);
      for (int i = 0; i < kTimes; i++) {
        put_service(&client, present + i, 10);
        one_turn(&loop);
      }
      std::printf("services present %5d: whole table %8.1f ms (cpu %8.1f); one more %7.2f ms (cpu %6.2f), 1 ms of it waiting\n", present, all, all_cpu, (now_ms() - begun) / kTimes,
                  (now_ms(CLOCK_THREAD_CPUTIME_ID) - cpu) / kTimes);
      return proxy.down();
    });
    ASSERT_TRUE(s.ok()) << s.error().message();
  }
}

TEST_F(ProxyBench, requests_through_a_cluster_address) {
  EchoServer a(dir_ + "/pod-a", "a");
  Status s = in_netns(dir_ + "/host", [&]() -> Status {
    Loop loop;
    TRY_ASSIGN(auto network, PodNetwork::open({dir_ + "/state", "10.42.0.0/24", "cni0", 1450}));
    TRY(network->add({"a", dir_ + "/pod-a", "default", "a", "a", {}}));
    TRY(network->add({"b", dir_ + "/pod-b", "default", "b", "b", {}}));
    FixedClient client;
    for (int i = 0; i < 1000; i++) put_service(&client, i, 10);
    client.put(resource_ids::kServices, R"({"metadata":{"name":"web","namespace":"default"},"spec":{"clusterIP":"10.43.0.50","ports":[{"name":"p","port":8080,"protocol":"TCP"}]}})");
    client.put(resource_ids::kEndpointSlices, R"({"metadata":{"name":"web-x","namespace":"default","labels":{"kubernetes.io/service-name":"web"}},"addressType":"IPv4","ports":[{"name":"p","port":80}],"endpoints":[{"addresses":["10.42.0.2"]}]})");
    Proxy proxy(proxy_options(), client);
    TRY(proxy.start());
    auto rate = [&](const char* address, uint16_t port) {
      constexpr int kTimes = 3000;
      double begun = now_ms();
      Status asked = in_netns(dir_ + "/pod-b", [&]() -> Status {
        for (int i = 0; i < kTimes; i++) ask(address, port);
        return ok();
      });
      return asked.ok() ? kTimes * 1000 / (now_ms() - begun) : 0.0;
    };
    rate("10.42.0.2", 80);
    double direct = rate("10.42.0.2", 80), service = rate("10.43.0.50", 8080), again = rate("10.42.0.2", 80);
    std::printf("connections a second: direct %.0f and %.0f, cluster address beside 1,000 services %.0f (%.0f%%)\n", direct, again, service, 200 * service / (direct + again));

    const ResourceId policies_id{"networking.k8s.io", "v1", "networkpolicies"};
    client.put(resource_ids::kNamespaces, R"({"metadata":{"name":"default"}})");
    for (const char* name : {"a", "b"})
      client.put(resource_ids::kPods, cat(R"({"metadata":{"name":")", name, R"(","namespace":"default","uid":")", name, R"(","labels":{"app":")", name, R"("}},"spec":{"nodeName":"here"},"status":{"podIP":"10.42.0.)", name == std::string("a") ? 2 : 3, R"("}})").c_str());
    for (int i = 0; i < 100; i++)
      client.put(resource_ids::kPods, cat(R"({"metadata":{"name":"p)", i, R"(","namespace":"default","uid":"p)", i, R"(","labels":{"app":"p)", i, R"("}},"spec":{"nodeName":"here"},"status":{"podIP":"10.42.0.)", 10 + i, R"("}})").c_str());
    for (int i = 0; i < 1000; i++)
      client.put(policies_id, cat(R"({"metadata":{"name":"n)", i, R"(","namespace":"default","uid":"n)", i, R"("},"spec":{"podSelector":{"matchLabels":{"app":")", i == 0 ? "a" : cat("p", i % 100),
                                  R"("}},"ingress":[{"from":[{"podSelector":{}},{"ipBlock":{"cidr":"192.0.2.0/24"}}],"ports":[{"port":80},{"port":1000,"endPort":2000}]}]}})").c_str());
    NetworkPolicies policies({"bramble-policy", "here", nullptr}, client, proxy.table_watch());
    double begun = now_ms();
    TRY(policies.start());
    double whole = now_ms() - begun;
    constexpr int kTimes = 20;
    begun = now_ms();
    for (int i = 0; i < kTimes; i++) {
      client.put(resource_ids::kPods, cat(R"({"metadata":{"name":"q)", i, R"(","namespace":"default","uid":"q)", i, R"(","labels":{"app":"q"}},"spec":{"nodeName":"there"},"status":{"podIP":"10.42.9.)", 10 + i, R"("}})").c_str());
      one_turn(&loop);
    }
    double one = (now_ms() - begun) / kTimes;
    double with = rate("10.42.0.2", 80);
    std::printf("1,000 policies: whole table %.0f ms, one more pod that all of them name %.1f ms, connections a second %.0f (%.0f%% of direct)\n", whole, one, with, 200 * with / (direct + again));
    TRY(policies.down());
    TRY(proxy.down());
    return network->down();
  });
  EXPECT_TRUE(s.ok()) << s.error().message();
}

}  // namespace
}  // namespace bramble

// The proxy's rules against the real kernel: namespaces play the host and two pods, TCP goes through ClusterIP and NodePort.
#include "tests/core/proxy/packets_fixture.h"
#include "tests/core/quarantine/dying.h"

namespace bramble {
namespace {

const char* kService = R"({"metadata":{"name":"web","namespace":"default"},"spec":{"type":"NodePort","clusterIP":"10.43.0.50",
  "clusterIPs":["10.43.0.50"],"ports":[{"name":"http","port":8080,"nodePort":30080,"protocol":"TCP"}]}})";

std::string slice(const std::vector<std::string>& addresses) {
  std::string endpoints;
  for (const auto& a : addresses)
    endpoints += cat(endpoints.empty() ? "" : ",", "{\"addresses\":[\"", a, "\"],\"conditions\":{\"ready\":true}}");
  return cat(R"({"metadata":{"name":"web-x","namespace":"default","labels":{"kubernetes.io/service-name":"web"}},"addressType":"IPv4",)",
             R"("ports":[{"name":"http","port":80,"protocol":"TCP"}],"endpoints":[)", endpoints, "]}");
}

TEST_F(Packets, reach_every_endpoint_by_cluster_address_and_node_port_and_follow_changes) {
  EchoServer a(dir_ + "/pod-a", "a"), b(dir_ + "/pod-b", "b");
  Status s = in_netns(dir_ + "/host", [&]() -> Status {
    Loop loop;
    // As another program may leave it for all bridges: ours decides for itself.
    if (access("/proc/sys/net/bridge", F_OK) == 0) TRY(set_net_sysctl("bridge/bridge-nf-call-iptables", "0"));
    TRY_ASSIGN(auto network, PodNetwork::open({dir_ + "/state", "10.42.0.0/24", "cni0", 1450}));
    TRY(network->add({"a", dir_ + "/pod-a", "default", "a", "a", {}}));
    TRY(network->add({"b", dir_ + "/pod-b", "default", "b", "b", {}}));
    FixedClient client;
    Proxy proxy(proxy_options(), client);
    client.put(resource_ids::kServices, kService);
    client.put(resource_ids::kEndpointSlices, slice({"10.42.0.2", "10.42.0.3"}).c_str());
    TRY(proxy.start());

    std::set<std::string> seen;
    for (int i = 0; i < 40; i++) seen.insert(ask("10.43.0.50", 8080).substr(0, 1));
    EXPECT_EQ(seen, (std::set<std::string>{"a", "b"}));
    seen.clear();
    for (int i = 0; i < 40; i++) seen.insert(ask("10.42.0.1", 30080).substr(0, 1));
    EXPECT_EQ(seen, (std::set<std::string>{"a", "b"}));

    client.put(resource_ids::kEndpointSlices, slice({"10.42.0.3"}).c_str());
    settle(&loop);
    for (int i = 0; i < 5; i++) EXPECT_EQ(ask("10.43.0.50", 8080).substr(0, 1), "b");
    client.put(resource_ids::kEndpointSlices, slice({}).c_str());
    settle(&loop);
    EXPECT_EQ(ask("10.43.0.50", 8080), "Connection refused");
    EXPECT_EQ(ask("10.42.0.1", 30080), "Connection refused");
    client.put(resource_ids::kEndpointSlices, slice({"10.42.0.2"}).c_str());
    settle(&loop);
    EXPECT_EQ(ask("10.43.0.50", 8080).substr(0, 1), "a");

    // From a pod: another pod's Service keeps the pod's address; its own Service (hairpin) gets the bridge's.
    std::string from_b, from_a;
    TRY(in_netns(dir_ + "/pod-b", [&]() -> Status { return from_b = ask("10.43.0.50", 8080), ok(); }));
    TRY(in_netns(dir_ + "/pod-a", [&]() -> Status { return from_a = ask("10.43.0.50", 8080), ok(); }));
    EXPECT_EQ(from_b, "a 10.42.0.3");
    EXPECT_EQ(from_a, "a 10.42.0.1");

    TRY(proxy.down());
    EXPECT_NE(system("nft list table ip bramble >/dev/null 2>&1"), 0);
    return network->down();
  });
  EXPECT_TRUE(s.ok()) << s.error().message();
}

TEST_F(Packets, find_their_way_again_when_somebody_else_empties_the_table) {
  EchoServer a(dir_ + "/pod-a", "a");
  Status s = in_netns(dir_ + "/host", [&]() -> Status {
    Loop loop;
    TRY_ASSIGN(auto network, PodNetwork::open({dir_ + "/state", "10.42.0.0/24", "cni0", 1450}));
    TRY(network->add({"a", dir_ + "/pod-a", "default", "a", "a", {}}));
    FixedClient client;
    Proxy proxy(proxy_options(), client);
    client.put(resource_ids::kServices, kService);
    client.put(resource_ids::kEndpointSlices, slice({"10.42.0.2"}).c_str());
    TRY(proxy.start());
    EXPECT_EQ(ask("10.43.0.50", 8080).substr(0, 1), "a");
    struct Case {
      const char* name;
      void (*change)(NftBatch*);
      int64_t not_before_ms;
    } cases[] = {
        {"the table goes", [](NftBatch* b) { b->delete_table(); }, 0},
        {"a chain is flushed soon after", [](NftBatch* b) { b->flush_chain("services"); }, limits::kProxyRetryMsMin},
    };
    for (const Case& c : cases) {
      NftBatch other("bramble");
      c.change(&other);
      TRY(other.commit());
      int64_t begun_us = loop.now_us();
      EXPECT_NE(ask("10.43.0.50", 8080, 100).substr(0, 1), "a") << c.name;
      Timer stop([&] { loop.stop(); });
      for (int i = 0; i < 60 && ask("10.43.0.50", 8080, 100).substr(0, 1) != "a"; i++) {
        stop.arm_ms(50);
        loop.run();
      }
      EXPECT_EQ(ask("10.43.0.50", 8080).substr(0, 1), "a") << c.name;
      EXPECT_GE(loop.now_us() - begun_us, c.not_before_ms * 1000) << c.name;
    }
    // What belongs to others is no matter of ours.
    NftBatch strange("strange");
    strange.add_table();
    TRY(strange.commit());
    uint64_t turns = loop.turns();
    Timer stop([&] { loop.stop(); });
    stop.arm_ms(50);
    loop.run();
    EXPECT_LT(loop.turns() - turns, 10u);
    TRY(proxy.down());
    return network->down();
  });
  EXPECT_TRUE(s.ok()) << s.error().message();
}

TEST(ServicePorts, come_from_ready_endpoints_or_those_that_still_serve) {
  Document service = Document::parse(kService).value();
  struct Case {
    const char* name;
    const char* endpoints;
    std::vector<ProxyEndpoint> expected;
  } cases[] = {
      {"ready", R"([{"addresses":["10.42.0.2"],"conditions":{"ready":true}}])", {{"10.42.0.2", 80}}},
      {"no condition is ready", R"([{"addresses":["10.42.0.2"],"conditions":{}}])", {{"10.42.0.2", 80}}},
      {"not ready", R"([{"addresses":["10.42.0.2"],"conditions":{"ready":false,"serving":false}}])", {}},
      {"terminating but serving, alone", R"([{"addresses":["10.42.0.2"],"conditions":{"ready":false,"serving":true,"terminating":true}}])", {{"10.42.0.2", 80}}},
      {"terminating beside a ready one",
       R"([{"addresses":["10.42.0.2"],"conditions":{"ready":false,"serving":true,"terminating":true}},{"addresses":["10.42.0.3"],"conditions":{"ready":true}}])",
       {{"10.42.0.3", 80}}},
      {"twice the same", R"([{"addresses":["10.42.0.2"]},{"addresses":["10.42.0.2"]}])", {{"10.42.0.2", 80}}},
  };
  for (const Case& c : cases) {
    Document d = Document::parse(cat(R"({"addressType":"IPv4","ports":[{"name":"http","port":80,"protocol":"TCP"}],"endpoints":)", c.endpoints, "}")).value();
    ServicePorts ports = ports_of_service(service.root(), {d}, {});
    ASSERT_EQ(ports.size(), 1u) << c.name;
    EXPECT_EQ(ports.begin()->second.endpoints, c.expected) << c.name;
  }
}

TEST(ServicePorts, headless_and_external_name_services_have_none) {
  for (const char* spec : {R"({"clusterIP":"None","ports":[{"port":80}]})", R"({"type":"ExternalName","externalName":"x.y"})"}) {
    Document d = Document::parse(cat("{\"metadata\":{\"name\":\"s\",\"namespace\":\"n\"},\"spec\":", spec, "}")).value();
    EXPECT_TRUE(ports_of_service(d.root(), {}, {}).empty()) << spec;
  }
}

TEST_F(Packets, a_service_that_ended_the_server_is_left_out_until_it_changes) {
  DyingProcesses died;
  died.die_at("proxy", "services default/web", {});
  auto quarantine = died.open();
  EchoServer a(dir_ + "/pod-a", "a");
  Status s = in_netns(dir_ + "/host", [&]() -> Status {
    Loop loop;
    TRY_ASSIGN(auto network, PodNetwork::open({dir_ + "/state", "10.42.0.0/24", "cni0", 1450}));
    TRY(network->add({"a", dir_ + "/pod-a", "default", "a", "a", {}}));
    FixedClient client;
    Proxy proxy(proxy_options(quarantine.get()), client);
    client.put(resource_ids::kServices, kService);
    client.put(resource_ids::kServices, R"({"metadata":{"name":"good","namespace":"default"},"spec":{"clusterIP":"10.43.0.51",
      "clusterIPs":["10.43.0.51"],"ports":[{"name":"http","port":8080,"protocol":"TCP"}]}})");
    client.put(resource_ids::kEndpointSlices, slice({"10.42.0.2"}).c_str());
    client.put(resource_ids::kEndpointSlices, replace_all(replace_all(slice({"10.42.0.2"}), "web-x", "good-x"), "\"web\"", "\"good\"").c_str());
    TRY(proxy.start());
    EXPECT_EQ(ask("10.43.0.51", 8080).substr(0, 1), "a");
    EXPECT_NE(ask("10.43.0.50", 8080).substr(0, 1), "a");

    client.put(resource_ids::kServices, replace_all(kService, "\"namespace\"", "\"labels\":{\"mended\":\"yes\"},\"namespace\"").c_str());
    Timer soon([&] { loop.stop(); });
    soon.arm_ms(50);
    loop.run();
    EXPECT_EQ(ask("10.43.0.50", 8080).substr(0, 1), "a");
    return proxy.down();
  });
  EXPECT_TRUE(s.ok()) << s.error().message();
}

}  // namespace
}  // namespace bramble

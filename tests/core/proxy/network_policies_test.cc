// NetworkPolicies: what they mean as sets, and what packets make of it in real namespaces.
#include "core/proxy/network_policies.h"

#include <list>

#include "cni/netlink/rtnetlink.h"
#include "tests/core/proxy/packets_fixture.h"

namespace bramble {
namespace {

const ResourceId kPolicies{"networking.k8s.io", "v1", "networkpolicies"};

std::string pod(const std::string& ns, const std::string& name, const std::string& address, const std::string& labels, const std::string& node = "here") {
  return cat(R"({"metadata":{"name":")", name, R"(","namespace":")", ns, R"(","uid":")", ns, "-", name, R"(","labels":{)", labels, R"(}},"spec":{"nodeName":")", node,
             R"(","containers":[{"name":"c","ports":[{"name":"web","containerPort":80,"protocol":"TCP"}]}]},"status":{"phase":"Running","podIP":")", address, R"("}})");
}
std::string policy(const std::string& spec, const std::string& name = "p") {
  return cat(R"({"metadata":{"name":")", name, R"(","namespace":"default","uid":")", name, R"("},"spec":{)", spec, "}}");
}

std::string number_text(uint32_t n) { return cat(n >> 24, ".", n >> 16 & 255, ".", n >> 8 & 255, ".", n & 255); }
std::string address_text(const std::string& raw) {
  uint32_t n = 0;
  for (char c : raw) n = n << 8 | static_cast<unsigned char>(c);
  return number_text(n);
}
std::string text(const std::vector<TrafficRule>& rules) {
  std::vector<std::string> out;
  for (const TrafficRule& r : rules) {
    std::vector<std::string> parts;
    if (r.any_peer) parts.push_back("any");
    for (const auto& a : r.pods) parts.push_back(address_text(a));
    for (const auto& x : r.ranges) parts.push_back(cat(number_text(x.first), "-", number_text(x.last)));
    parts.push_back(":");
    if (r.any_port) parts.push_back("any");
    for (const auto& p : r.ports) parts.push_back(cat(p.protocol, p.first, p.first == p.last ? "" : cat("-", p.last)));
    for (const auto& t : r.targets) parts.push_back(cat(address_text(t.address), "/", t.protocol, t.port));
    out.push_back(join(parts, " "));
  }
  return join(out, " | ");
}

TEST(PolicyPlan, reads_all_that_a_policy_may_say) {
  FixedClient client;
  client.put(resource_ids::kNamespaces, R"({"metadata":{"name":"default","labels":{"team":"d"}}})");
  client.put(resource_ids::kNamespaces, R"({"metadata":{"name":"other","labels":{"team":"o"}}})");
  client.put(resource_ids::kPods, pod("default", "a", "10.42.0.2", R"("app":"a")").c_str());
  client.put(resource_ids::kPods, pod("default", "b", "10.42.1.3", R"("app":"b")", "there").c_str());
  client.put(resource_ids::kPods, pod("other", "c", "10.42.1.4", R"("app":"a")", "there").c_str());
  PolicyWorld world;
  std::list<PolicyPod> shown;
  world.pods = [&](std::string_view ns, const std::function<void(const PolicyPod&)>& fn) {
    client.snapshot().each(resource_ids::kPods, ns, [&](const Document& d) {
      auto p = IpPrefix::parse(d["status"]["podIP"].str());
      shown.push_back({d, std::string(reinterpret_cast<const char*>(p->bytes), 4), d["spec"]["nodeName"].str() == "here"});
      fn(shown.back());
      return true;
    });
  };
  Document held;
  world.namespace_labels = [&](std::string_view ns) {
    held = client.snapshot().get(resource_ids::kNamespaces, "", ns);
    return held["metadata"]["labels"];
  };
  struct Case {
    const char *name, *spec, *types, *in, *out;
  } cases[] = {
      {"deny all", R"("podSelector":{},"policyTypes":["Ingress"])", "I", "", ""},
      {"no types: ingress", R"("podSelector":{})", "I", "", ""},
      {"no types, with egress: both", R"("podSelector":{},"egress":[{}])", "IE", "", "any : any"},
      {"allow all", R"("podSelector":{},"ingress":[{}],"policyTypes":["Ingress"])", "I", "any : any", ""},
      {"pods of its namespace", R"("podSelector":{"matchLabels":{"app":"a"}},"ingress":[{"from":[{"podSelector":{"matchLabels":{"app":"b"}}}]}])", "I", "10.42.1.3 : any", ""},
      {"all of its namespace", R"("podSelector":{},"ingress":[{"from":[{"podSelector":{}}]}])", "I", "10.42.0.2 10.42.1.3 : any", ""},
      {"a namespace", R"("podSelector":{},"ingress":[{"from":[{"namespaceSelector":{"matchLabels":{"team":"o"}}}]}])", "I", "10.42.1.4 : any", ""},
      {"pods of namespaces", R"("podSelector":{},"ingress":[{"from":[{"namespaceSelector":{},"podSelector":{"matchLabels":{"app":"a"}}}]}])", "I", "10.42.0.2 10.42.1.4 : any", ""},
      {"an expression", R"("podSelector":{},"ingress":[{"from":[{"namespaceSelector":{"matchExpressions":[{"key":"team","operator":"NotIn","values":["o"]}]}}]}])", "I", "10.42.0.2 10.42.1.3 : any", ""},
      {"a block with holes", R"("podSelector":{},"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/29","except":["10.0.0.2/31","10.0.0.0/32"]}}]}])", "I", "10.0.0.1-10.0.0.1 10.0.0.4-10.0.0.7 : any", ""},
      {"ports", R"("podSelector":{},"ingress":[{"ports":[{"port":80},{"protocol":"UDP","port":1000,"endPort":2000},{"protocol":"SCTP"}]}])", "I", "any : SCTP0-65535 TCP80 UDP1000-2000", ""},
      {"a named port in", R"("podSelector":{"matchLabels":{"app":"a"}},"ingress":[{"ports":[{"port":"web"}]}])", "I", "any : 10.42.0.2/TCP80", ""},
      {"a named port out", R"("podSelector":{},"egress":[{"to":[{"podSelector":{"matchLabels":{"app":"b"}}}],"ports":[{"port":"web"}]}],"policyTypes":["Egress"])", "E", "", "10.42.1.3 : 10.42.1.3/TCP80"},
      {"peers that are nobody", R"("podSelector":{},"ingress":[{"from":[{"podSelector":{"matchLabels":{"app":"x"}}}]}])", "I", ": any", ""},
      {"of pods elsewhere nothing is asked", R"("podSelector":{"matchLabels":{"app":"b"}},"ingress":[{}])", "I", "", ""},
  };
  for (const Case& c : cases) {
    Document d = Document::parse(policy(c.spec)).value();
    PolicyPlan plan = plan_policy(read_policy(d), world);
    EXPECT_EQ(cat(plan.ingress ? "I" : "", plan.egress ? "E" : ""), c.types) << c.name;
    EXPECT_EQ(text(plan.in), c.in) << c.name;
    EXPECT_EQ(text(plan.out), c.out) << c.name;
  }
}

TEST(PolicyRanges, are_a_block_less_its_holes) {
  EXPECT_EQ(ranges_of("0.0.0.0/0", {}), (std::vector<PolicyRange>{{0, UINT32_MAX}}));
  EXPECT_EQ(ranges_of("0.0.0.0/0", {"128.0.0.0/1"}), (std::vector<PolicyRange>{{0, 0x7fffffff}}));
  EXPECT_EQ(ranges_of("10.0.0.0/8", {"10.0.0.0/8"}), (std::vector<PolicyRange>{}));
  EXPECT_EQ(ranges_of("fd00::/8", {}), (std::vector<PolicyRange>{}));
}

class PolicyPackets : public Packets {};

TEST_F(PolicyPackets, pass_where_a_policy_lets_them) {
  EchoServer a(dir_ + "/pod-a", "a"), b(dir_ + "/pod-b", "b");
  Status s = in_netns(dir_ + "/host", [&]() -> Status {
    Loop loop;
    TRY_ASSIGN(auto network, PodNetwork::open({dir_ + "/state", "10.42.0.0/24", "cni0", 1450}));
    TRY(network->add({"a", dir_ + "/pod-a", "default", "a", "a", {}}));
    TRY(network->add({"b", dir_ + "/pod-b", "default", "b", "b", {}}));
    FixedClient client;
    client.put(resource_ids::kNamespaces, R"({"metadata":{"name":"default"}})");
    client.put(resource_ids::kPods, pod("default", "a", "10.42.0.2", R"("app":"a")").c_str());
    client.put(resource_ids::kPods, pod("default", "b", "10.42.0.3", R"("app":"b")").c_str());
    client.put(resource_ids::kServices, R"({"metadata":{"name":"web","namespace":"default"},"spec":{"clusterIP":"10.43.0.50","ports":[{"name":"p","port":8080,"protocol":"TCP"}]}})");
    client.put(resource_ids::kEndpointSlices, R"({"metadata":{"name":"web-x","namespace":"default","labels":{"kubernetes.io/service-name":"web"}},"addressType":"IPv4","ports":[{"name":"p","port":80}],"endpoints":[{"addresses":["10.42.0.2"]}]})");
    Proxy proxy(proxy_options(), client);
    TRY(proxy.start());
    NetworkPolicies policies({"bramble-policy", "here", nullptr}, client, proxy.table_watch());
    TRY(policies.start());
    auto from = [&](const char* who, const char* address, uint16_t port = 80) {
      std::string out;
      Status asked = in_netns(cat(dir_, "/", who), [&]() -> Status { return out = ask(address, port, 1000), ok(); });
      return asked.ok() ? out.substr(0, 1) : asked.error().message();
    };
    auto put = [&](const std::string& spec) {
      client.put(kPolicies, policy(spec).c_str());
      settle(&loop);
    };
    EXPECT_EQ(from("pod-b", "10.42.0.2"), "a") << "without a policy";

    put(R"("podSelector":{"matchLabels":{"app":"a"}},"policyTypes":["Ingress"])");
    EXPECT_NE(from("pod-b", "10.42.0.2"), "a");
    EXPECT_NE(from("pod-b", "10.43.0.50", 8080), "a") << "nor by a Service";
    EXPECT_EQ(from("pod-a", "10.43.0.50", 8080), "a") << "itself by its Service";
    EXPECT_EQ(from("pod-a", "10.42.0.3"), "b") << "the other way";
    EXPECT_EQ(ask("10.42.0.2", 80).substr(0, 1), "a") << "the node, which probes it";

    put(R"("podSelector":{"matchLabels":{"app":"a"}},"ingress":[{"from":[{"podSelector":{"matchLabels":{"app":"b"}}}],"ports":[{"port":"web"}]}])");
    EXPECT_EQ(from("pod-b", "10.42.0.2"), "a");
    EXPECT_EQ(from("pod-b", "10.43.0.50", 8080), "a");
    client.put(resource_ids::kPods, pod("default", "b", "10.42.0.3", R"("app":"z")").c_str());
    settle(&loop);
    EXPECT_NE(from("pod-b", "10.42.0.2"), "a") << "its labels changed";

    put(R"("podSelector":{"matchLabels":{"app":"a"}},"ingress":[{"from":[{"ipBlock":{"cidr":"10.42.0.0/24","except":["10.42.0.4/30"]}}],"ports":[{"port":1,"endPort":100}]}])");
    EXPECT_EQ(from("pod-b", "10.42.0.2"), "a");
    put(R"("podSelector":{"matchLabels":{"app":"a"}},"ingress":[{"from":[{"ipBlock":{"cidr":"10.42.0.0/24","except":["10.42.0.2/31"]}}]}])");
    EXPECT_NE(from("pod-b", "10.42.0.2"), "a") << "in the hole";
    put(R"("podSelector":{"matchLabels":{"app":"a"}},"ingress":[{"ports":[{"port":81,"endPort":90}]}])");
    EXPECT_NE(from("pod-b", "10.42.0.2"), "a") << "another port";

    put(R"("podSelector":{"matchLabels":{"app":"z"}},"policyTypes":["Egress"])");
    EXPECT_NE(from("pod-b", "10.42.0.2"), "a");
    EXPECT_EQ(from("pod-a", "10.42.0.3"), "b") << "in is not said";
    put(R"("podSelector":{"matchLabels":{"app":"z"}},"policyTypes":["Egress"],"egress":[{"to":[{"podSelector":{"matchLabels":{"app":"a"}}}],"ports":[{"port":"web"}]}])");
    EXPECT_EQ(from("pod-b", "10.42.0.2"), "a");

    // Two policies: what one of them allows passes.
    client.put(kPolicies, policy(R"("podSelector":{},"policyTypes":["Ingress"])", "q").c_str());
    settle(&loop);
    EXPECT_NE(from("pod-b", "10.42.0.2"), "a");
    client.put(kPolicies, policy(R"("podSelector":{},"ingress":[{"from":[{"podSelector":{}}]}])", "r").c_str());
    settle(&loop);
    EXPECT_EQ(from("pod-b", "10.42.0.2"), "a");
    for (const char* name : {"p", "q", "r"}) client.take(kPolicies, {"default", name});
    settle(&loop);
    EXPECT_EQ(from("pod-b", "10.42.0.2"), "a");
    EXPECT_NE(system("nft list table ip bramble-policy >/dev/null 2>&1"), 0) << "nothing to say, no table";

    // A pod is closed before its status tells its address.
    client.put(kPolicies, policy(R"("podSelector":{"matchLabels":{"app":"new"}})").c_str());
    std::string starting = replace_all(pod("default", "a", "", R"("app":"new")"), R"(,"podIP":"")", "");
    client.put(resource_ids::kPods, starting.c_str());
    settle(&loop);
    policies.pod_networked(client.snapshot().get(resource_ids::kPods, "default", "a"), {"10.42.0.2"});
    EXPECT_NE(from("pod-b", "10.42.0.2"), "a");
    TRY(policies.down());
    TRY(proxy.down());
    return network->down();
  });
  EXPECT_TRUE(s.ok()) << s.error().message();
}

}  // namespace
}  // namespace bramble

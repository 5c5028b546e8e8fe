// Which endpoints a node uses, for sets of Services, slices and nodes.
#include <gtest/gtest.h>

#include "core/proxy/service_ports.h"
#include "core/proxy/stale_flows.h"
#include "core/proxy/taken_ports.h"

namespace bramble {
namespace {

// "address node flags [zone-hint|-] [node-hint]"; flags: r ready, s serves while it ends, - neither.
Document slice_of(const std::vector<std::string>& lines) {
  std::vector<std::string> list;
  for (const std::string& line : lines) {
    auto f = split(line, ' ');
    std::string hints;
    if (f.size() > 3 && f[3] != "-") hints = cat(R"("forZones":[{"name":")", f[3], R"("}])");
    if (f.size() > 4) hints += cat(hints.empty() ? "" : ",", R"("forNodes":[{"name":")", f[4], R"("}])");
    const char* conditions = f[2] == "r" ? R"({"ready":true,"serving":true,"terminating":false})" : f[2] == "s" ? R"({"ready":false,"serving":true,"terminating":true})" : R"({"ready":false,"serving":false})";
    list.push_back(cat(R"({"addresses":[")", f[0], R"("],"nodeName":")", f[1], R"(","conditions":)", conditions, hints.empty() ? "" : cat(R"(,"hints":{)", hints, "}"), "}"));
  }
  return Document::parse(cat(R"({"addressType":"IPv4","ports":[{"name":"p","port":80,"protocol":"TCP"}],"endpoints":[)", join(list, ","), "]}")).value();
}

std::string text(const std::vector<ProxyEndpoint>& list) {
  std::vector<std::string> out;
  for (const ProxyEndpoint& e : list) out.push_back(e.address);
  return join(out, " ");
}

TEST(ServicePorts, are_chosen_by_policy_hints_and_state_as_upstream_does) {
  const std::string cluster = R"("type":"NodePort")", external = R"("type":"NodePort","externalTrafficPolicy":"Local")";
  const std::string internal = R"("type":"ClusterIP","internalTrafficPolicy":"Local")", both = R"("type":"NodePort","externalTrafficPolicy":"Local","internalTrafficPolicy":"Local")";
  struct Case {
    const char* name;
    std::string spec;
    std::vector<std::string> endpoints;
    const char *of_cluster, *local;
    bool served;
  } cases[] = {
      {"cluster", cluster, {"1.1.1.1 here r", "1.1.1.2 there r"}, "1.1.1.1 1.1.1.2", "", true},
      {"external local", external, {"1.1.1.1 here r", "1.1.1.2 there r"}, "1.1.1.1 1.1.1.2", "1.1.1.1", true},
      {"external local, none here", external, {"1.1.1.2 there r"}, "1.1.1.2", "", true},
      {"external local, one that ends here", external, {"1.1.1.1 here s", "1.1.1.2 there r"}, "1.1.1.2", "1.1.1.1", true},
      {"external local, all that are here end but one", external, {"1.1.1.1 here s", "1.1.1.3 here r"}, "1.1.1.3", "1.1.1.3", true},
      {"internal local", internal, {"1.1.1.1 here r", "1.1.1.2 there r"}, "", "1.1.1.1", true},
      {"internal local, none here", internal, {"1.1.1.2 there r"}, "", "", true},
      {"internal local, none at all", internal, {"1.1.1.2 there -"}, "", "", false},
      {"internal local of a node port", both, {"1.1.1.1 here r", "1.1.1.2 there r"}, "1.1.1.1 1.1.1.2", "1.1.1.1", true},
      {"all end", cluster, {"1.1.1.1 here s", "1.1.1.2 there s"}, "1.1.1.1 1.1.1.2", "", true},
      {"zone hints", cluster, {"1.1.1.1 here r z1", "1.1.1.2 there r z2"}, "1.1.1.1", "", true},
      {"zone hints, not of all", cluster, {"1.1.1.1 here r z1", "1.1.1.2 there r"}, "1.1.1.1 1.1.1.2", "", true},
      {"zone hints, none for us", cluster, {"1.1.1.1 here r z3", "1.1.1.2 there r z2"}, "1.1.1.1 1.1.1.2", "", true},
      {"zone hints, ours is not ready", cluster, {"1.1.1.1 here - z1", "1.1.1.2 there r z2"}, "1.1.1.2", "", true},
      {"node hints before zone hints", cluster, {"1.1.1.1 here r z1 here", "1.1.1.3 here r z1 there", "1.1.1.2 there r z2 there"}, "1.1.1.1", "", true},
      {"node hints, none for us: zone hints", cluster, {"1.1.1.1 near r z1 near", "1.1.1.2 there r z2 there"}, "1.1.1.1", "", true},
      {"hints do not concern the policy Local", external, {"1.1.1.1 here r z2", "1.1.1.2 there r z1"}, "1.1.1.2", "1.1.1.1", true},
  };
  ProxyNode node{"here", "z1", {}};
  for (const Case& c : cases) {
    Document d = Document::parse(cat(R"({"metadata":{"name":"s","namespace":"n"},"spec":{"clusterIP":"10.43.0.5",)", c.spec,
                                     R"(,"ports":[{"name":"p","port":80,"nodePort":)", c.spec.find("NodePort") == std::string::npos ? 0 : 30080, "}]}}")).value();
    ServicePorts ports = ports_of_service(d.root(), {slice_of(c.endpoints)}, node);
    ASSERT_EQ(ports.size(), 1u) << c.name;
    const ServicePort& p = ports.begin()->second;
    EXPECT_EQ(text(p.endpoints), c.of_cluster) << c.name;
    EXPECT_EQ(text(p.local_endpoints), c.local) << c.name;
    EXPECT_EQ(p.served, c.served) << c.name;
  }
}

TEST(ServicePorts, of_a_service_that_another_proxy_has_are_none) {
  Document d = Document::parse(R"({"metadata":{"name":"s","namespace":"n","labels":{"service.kubernetes.io/service-proxy-name":"other"}},"spec":{"clusterIP":"10.43.0.5","ports":[{"port":80}]}})").value();
  EXPECT_TRUE(ports_of_service(d.root(), {}, {}).empty());
}

TEST(ServiceHealth, counts_ready_addresses_of_this_node_once) {
  Document d = Document::parse(R"({"metadata":{"name":"s","namespace":"n"},"spec":{"type":"LoadBalancer","externalTrafficPolicy":"Local","healthCheckNodePort":32000,"clusterIP":"10.43.0.5","ports":[{"name":"p","port":80}]}})").value();
  ServiceHealth h = health_of_service(d.root(), {slice_of({"1.1.1.1 here r", "1.1.1.3 here s", "1.1.1.2 there r"}), slice_of({"1.1.1.1 here r"})}, {"here", "", {}});
  EXPECT_EQ(h.port, 32000);
  EXPECT_EQ(h.local_endpoints, 1u);
}

TEST(WantedFlows, tell_what_is_stale) {
  ServicePort p;
  p.protocol = "UDP";
  p.port = 53;
  p.node_port = 30053;
  p.cluster_addresses = {"10.43.0.5"};
  p.endpoints = {{"10.42.0.2", 5353}};
  WantedFlows w;
  w.want(p);
  w.host_addresses = {"192.0.2.1"};
  struct Case {
    const char* name;
    const char* to;
    uint16_t to_port;
    const char* from;
    uint16_t from_port;
    bool stale;
  } cases[] = {
      {"an endpoint", "10.43.0.5", 53, "10.42.0.2", 5353, false},
      {"one that is gone", "10.43.0.5", 53, "10.42.0.3", 5353, true},
      {"another port of it", "10.43.0.5", 53, "10.42.0.2", 53, true},
      {"not translated", "10.43.0.5", 53, "10.43.0.5", 53, true},
      {"another port", "10.43.0.5", 54, "10.42.0.3", 5353, false},
      {"the node port", "192.0.2.1", 30053, "10.42.0.3", 5353, true},
      {"that port of another host", "192.0.2.9", 30053, "192.0.2.9", 30053, false},
  };
  for (const Case& c : cases) EXPECT_EQ(w.is_stale(c.to, c.to_port, c.from, c.from_port), c.stale) << c.name;
}

TEST(TakenPorts, are_those_on_which_a_process_listens_for_others) {
  const char* tcp =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n"
      "   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n"
      "   2: 0A002B0A:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n"
      "   3: 010200C0:0050 020200C0:9999 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n";
  EXPECT_EQ(listening_ports(tcp, "TCP", "10.43.0.0/16"), (std::set<std::string>{"TCP/22"}));
  const char* udp6 =
      "   0: 00000000000000000000000000000000:0044 00000000000000000000000000000000:0000 07 00000000:00000000\n"
      "   1: 00000000000000000000000001000000:0045 00000000000000000000000000000000:0000 07 00000000:00000000\n"
      "   2: 0000000000000000FFFF00000100007F:0046 00000000000000000000000000000000:0000 07 00000000:00000000\n";
  EXPECT_EQ(listening_ports(udp6, "UDP", "10.43.0.0/16"), (std::set<std::string>{"UDP/68"}));
}

}  // namespace
}  // namespace bramble

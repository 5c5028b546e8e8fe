#include <gtest/gtest.h>

#include "core/resources/service_allocation.h"
#include "tests/core/resources/rule_case.h"

namespace bramble {
namespace {

const Kind& services() { return *find_kind("", "v1", "services"); }
std::string service_with(std::string_view spec) {
  return cat(R"({"metadata":{"name":"s","namespace":"n"},"spec":)", spec, "}");
}

// As the registry stores it: addresses and ports given out.
Document stored(std::string_view spec) {
  Builder b(created(services(), json(service_with(spec))).root());
  const Document before = b.snapshot();
  int port = 30000;
  for (const AllocationNeed& n : allocation_needs(before.root(), Value()))
    if (n.what == AllocationNeed::What::kClusterIp)
      apply_allocation(b.root(), n, n.address.empty() ? "10.43.0.7" : n.address, 0);
    else
      apply_allocation(b.root(), n, "", n.port ? n.port : port++);
  return b.finish();
}

std::string needs_text(const std::vector<AllocationNeed>& needs) {
  std::string out;
  for (const AllocationNeed& n : needs) {
    const char* what = n.what == AllocationNeed::What::kClusterIp  ? "ip"
                       : n.what == AllocationNeed::What::kNodePort ? "port"
                                                                   : "health";
    out += cat(out.empty() ? "" : " ", what, ":", n.address.empty() ? cat(n.port) : n.address);
  }
  return out;
}

TEST(Service, refuses_bad_specs_with_upstreams_texts) {
  const struct {
    const char* name;
    const char* spec;
    const char* want;
  } cases[] = {
      {"fine", R"({"ports":[{"port":80}]})", ""},
      {"headless without ports", R"({"clusterIP":"None"})", ""},
      {"two ports without names", R"({"ports":[{"port":80},{"port":81}]})",
       "Required spec.ports[0].name: Required value | Required spec.ports[1].name: Required value"},
      {"one port twice", R"({"ports":[{"name":"a","port":80},{"name":"b","port":80}]})",
       "Duplicate spec.ports[1]: Duplicate value: "
       "{\"Name\":\"\",\"Protocol\":\"TCP\",\"AppProtocol\":null,\"Port\":80,\"TargetPort\":0,\"NodePort\":0}"},
      {"one name twice", R"({"ports":[{"name":"a","port":80},{"name":"a","port":81}]})",
       "Duplicate spec.ports[1].name: Duplicate value: \"a\""},
      {"one node port twice",
       R"({"type":"NodePort","ports":[{"name":"a","port":80,"nodePort":30000},{"name":"b","port":81,"nodePort":30000}]})",
       "Duplicate spec.ports[1].nodePort: Duplicate value: 30000"},
      {"kubelet's port for all the world", R"({"type":"LoadBalancer","ports":[{"port":10250}]})",
       "Invalid spec.ports[0]: Invalid value: 10250: may not expose port 10250 externally since it is used by kubelet"},
      {"external name with an address", R"({"type":"ExternalName","externalName":"a.b","clusterIP":"10.43.0.1"})",
       "Forbidden spec.clusterIPs: Forbidden: may not be set for ExternalName services"},
      {"affinity for two days",
       R"({"ports":[{"port":80}],"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":172800}}})",
       "Invalid spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 172800: must be greater than 0 and "
       "less than 86400"},
      {"source ranges", R"({"ports":[{"port":80}],"loadBalancerSourceRanges":["10.0.0.0/8"]})",
       "Forbidden spec.loadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"},
      {"external policy inside", R"({"ports":[{"port":80}],"externalTrafficPolicy":"Local"})",
       "Invalid spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for externally-accessible "
       "services"},
      {"external loopback", R"({"ports":[{"port":80}],"externalIPs":["127.0.0.1"]})",
       "Invalid spec.externalIPs[0]: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, "
       "::1/128)"},
      {"health port without need", R"({"type":"NodePort","ports":[{"port":80}],"healthCheckNodePort":30001})",
       "Invalid spec.healthCheckNodePort: Invalid value: 30001: may only be set when `type` is 'LoadBalancer' and "
       "`externalTrafficPolicy` is 'Local'"},
  };
  for (const auto& c : cases) EXPECT_EQ(create_errors(services(), json(service_with(c.spec))), c.want) << c.name;
}

TEST(Service, keeps_its_address_and_ports_over_updates) {
  const Document old = stored(R"({"type":"NodePort","ports":[{"name":"a","port":80}]})");
  EXPECT_EQ(old["spec"]["clusterIP"].str(), "10.43.0.7");
  EXPECT_EQ(old["spec"]["ports"].item(0)["nodePort"].integer(), 30000);
  Builder b(
      defaulted(services(), json(service_with(R"({"type":"NodePort","ports":[{"name":"a","port":81}]})"))).root());
  services().prepare_update(b.root(), old.root());
  const Document now = b.finish();
  EXPECT_EQ(now["spec"]["clusterIPs"].item(0).str(), "10.43.0.7");
  EXPECT_EQ(now["spec"]["ports"].item(0)["nodePort"].integer(), 30000);
  EXPECT_EQ(needs_text(allocation_needs(now.root(), old.root())), "");
  EXPECT_EQ(needs_text(allocation_releases(now.root(), old.root())), "");
}

TEST(Service, drops_what_another_type_does_not_have) {
  const Document old = stored(R"({"type":"NodePort","ports":[{"port":80}]})");
  Builder b(old.root());
  b["spec"].set("type", "ClusterIP");
  services().prepare_update(b.root(), old.root());
  const Document now = b.finish();
  EXPECT_FALSE(now["spec"]["ports"].item(0).has("nodePort"));
  EXPECT_FALSE(now["spec"].has("externalTrafficPolicy"));
  EXPECT_EQ(needs_text(allocation_releases(now.root(), old.root())), "port:30000");
  FieldErrors errors;
  services().validate_update(now.root(), old.root(), errors);
  EXPECT_EQ(texts(errors), "");
}

TEST(Service, becomes_an_external_name_and_gives_its_address_back) {
  const Document old = stored(R"({"ports":[{"port":80}]})");
  Builder b(old.root());
  b["spec"].set("type", "ExternalName");
  b["spec"].set("externalName", "a.example.com");
  services().prepare_update(b.root(), old.root());
  b["spec"].remove("internalTrafficPolicy");
  const Document now = b.finish();
  FieldErrors errors;
  services().validate_update(now.root(), old.root(), errors);
  EXPECT_EQ(texts(errors), "");
  EXPECT_EQ(needs_text(allocation_releases(now.root(), old.root())), "ip:10.43.0.7");
}

TEST(Service, address_may_not_change) {
  const Document old = stored(R"({"ports":[{"port":80}]})");
  EXPECT_EQ(update_errors(services(), json(service_with(R"({"ports":[{"port":80}],"clusterIP":"10.43.0.8"})")), old),
            "Invalid spec.clusterIPs[0]: Invalid value: [\"10.43.0.8\"]: may not change once set");
}

TEST(Service, needs_are_those_of_its_type) {
  const struct {
    const char* name;
    const char* spec;
    const char* want;
  } cases[] = {
      {"cluster address", R"({"ports":[{"port":80}]})", "ip:0"},
      {"asked address", R"({"clusterIP":"10.43.0.9","ports":[{"port":80}]})", "ip:10.43.0.9"},
      {"headless", R"({"clusterIP":"None"})", ""},
      {"node ports", R"({"type":"NodePort","ports":[{"name":"a","port":80},{"name":"b","port":81,"nodePort":30005}]})",
       "port:30005 ip:0 port:0"},
      {"load balancer of local traffic",
       R"({"type":"LoadBalancer","externalTrafficPolicy":"Local","ports":[{"port":80}]})", "ip:0 port:0 health:0"},
      {"load balancer without node ports",
       R"({"type":"LoadBalancer","allocateLoadBalancerNodePorts":false,"ports":[{"port":80}]})", "ip:0"},
      {"external name", R"({"type":"ExternalName","externalName":"a.b"})", ""},
  };
  for (const auto& c : cases) {
    const Document s = created(services(), json(service_with(c.spec)));
    EXPECT_EQ(needs_text(allocation_needs(s.root(), Value())), c.want) << c.name;
  }
}

TEST(Service, status_has_ingress_only_for_load_balancers) {
  const Document old = stored(R"({"ports":[{"port":80}]})");
  EXPECT_EQ(status_errors(services(), with(old, {"status", "loadBalancer"}, R"({"ingress":[{"ip":"1.2.3.4"}]})"), old),
            "Forbidden status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'");
}

TEST(Service, cells_show_pending_and_external_addresses) {
  const Document lb = stored(R"({"type":"LoadBalancer","ports":[{"port":80}],"selector":{"a":"b"}})");
  EXPECT_EQ(cells_of(services(), lb, 0),
            R"(["s","LoadBalancer","10.43.0.7","<pending>","80:30000/TCP","<unknown>","a=b"])");
  const Document name = created(services(), json(service_with(R"({"type":"ExternalName","externalName":"a.b"})")));
  EXPECT_EQ(cells_of(services(), name, 0), R"(["s","ExternalName","<none>","a.b","<none>","<unknown>","<none>"])");
}

}  // namespace
}  // namespace bramble

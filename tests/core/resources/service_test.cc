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
      {"kubelet's port for all the world", R"({"type":"LoadBalancer","ports":[{"port":10250}]})", ""},
      {"external name with an address", R"({"type":"ExternalName","externalName":"a.b","clusterIP":"10.43.0.1"})",
       "Forbidden spec.clusterIPs: Forbidden: may not be set for ExternalName services"},
      {"affinity for two days",
       R"({"ports":[{"port":80}],"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":172800}}})",
       "Invalid spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 172800: must be greater than 0 and "
       "less than 86400"},
      {"source ranges", R"({"ports":[{"port":80}],"loadBalancerSourceRanges":["10.0.0.0/8"]})",
       "Forbidden spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"},
      {"external policy inside", R"({"ports":[{"port":80}],"externalTrafficPolicy":"Local"})",
       "Invalid spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for externally-accessible "
       "services"},
      {"external loopback", R"({"ports":[{"port":80}],"externalIPs":["127.0.0.1"]})",
       "Invalid spec.externalIPs[0]: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, "
       "::1/128)"},
      {"source range with bits of a host", R"({"type":"LoadBalancer","ports":[{"port":80}],"loadBalancerSourceRanges":[" 10.0.0.1/8"]})",
       "Invalid spec.LoadBalancerSourceRanges[0]: Invalid value: \"10.0.0.1/8\": must not have bits set beyond the prefix length"},
      {"external address that is none", R"({"ports":[{"port":80}],"externalIPs":["x"]})",
       "Invalid spec.externalIPs[0]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"},
      {"no number for a port", R"({"ports":[{"port":80,"targetPort":"a--b"}]})",
       "Invalid spec.ports[0].targetPort: Invalid value: \"a--b\": must not contain consecutive hyphens"},
      {"protocol", R"({"ports":[{"port":80,"protocol":"ICMP"}]})",
       "NotSupported spec.ports[0].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\""},
      {"application protocol", R"({"ports":[{"port":80,"appProtocol":"a b"}]})",
       "Invalid spec.ports[0].appProtocol: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', "
       "and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation "
       "is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"},
      {"selector", R"({"ports":[{"port":80}],"selector":{"a":"-"}})",
       "Invalid spec.selector: Invalid value: \"-\": a valid label must be an empty string or consist of alphanumeric characters, '-', "
       "'_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
       "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"},
      {"addresses that differ", R"({"ports":[{"port":80}],"clusterIP":"10.43.0.1","clusterIPs":["10.43.0.2"]})",
       "Invalid spec.clusterIPs: Invalid value: [\"10.43.0.2\"]: first value must match `clusterIP`"},
      {"nothing and an address", R"({"ports":[{"port":80}],"clusterIP":"None","clusterIPs":["None","10.43.0.2"]})",
       "Invalid spec.clusterIPs: Invalid value: [\"None\",\"10.43.0.2\"]: 'None' must be the first and only value"},
      {"two addresses of one family", R"({"ports":[{"port":80}],"clusterIPs":["10.43.0.1","10.43.0.2"]})",
       "Invalid spec.clusterIPs: Invalid value: [\"10.43.0.1\",\"10.43.0.2\"]: may specify no more than one IP for each IP family"},
      {"address of another family", R"({"ports":[{"port":80}],"clusterIP":"10.43.0.1","ipFamilies":["IPv6"]})",
       "Invalid spec.clusterIPs[0]: Invalid value: \"10.43.0.1\": expected an IPv6 value as indicated by `ipFamilies[0]`"},
      {"a family twice", R"({"ports":[{"port":80}],"ipFamilies":["IPv4","IPv4"]})",
       "Duplicate spec.ipFamilies[1]: Duplicate value: \"IPv4\""},
      {"unknown family", R"({"ports":[{"port":80}],"ipFamilies":["IPv5"]})",
       "NotSupported spec.ipFamilies[0]: Unsupported value: \"IPv5\": supported values: \"IPv4\", \"IPv6\""},
      {"headless with node ports", R"({"type":"NodePort","clusterIP":"None","ports":[{"port":80}]})",
       "Invalid spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"},
      {"external name that is none", R"({"type":"ExternalName","externalName":"a_b"})",
       "Invalid spec.externalName: Invalid value: \"a_b\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
       "characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
       "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"},
      {"class of no balancer", R"({"ports":[{"port":80}],"loadBalancerClass":"a.b/c"})",
       "Forbidden spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"},
      {"allocation of no balancer", R"({"ports":[{"port":80}],"allocateLoadBalancerNodePorts":true})",
       "Forbidden spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'"},
      {"internal policy", R"({"ports":[{"port":80}],"internalTrafficPolicy":"Near"})",
       "NotSupported spec.internalTrafficPolicy: Unsupported value: \"Near\": supported values: \"Cluster\", \"Local\""},
      {"external policy", R"({"type":"NodePort","ports":[{"port":80}],"externalTrafficPolicy":"Near"})",
       "NotSupported spec.externalTrafficPolicy: Unsupported value: \"Near\": supported values: \"Cluster\", \"Local\""},
      {"distribution", R"({"ports":[{"port":80}],"trafficDistribution":"Near"})",
       "NotSupported spec.trafficDistribution: Unsupported value: \"Near\": supported values: \"PreferClose\", \"PreferSameZone\", "
       "\"PreferSameNode\""},
      {"affinity settings without affinity", R"({"ports":[{"port":80}],"sessionAffinity":"Sticky"})",
       "NotSupported spec.sessionAffinity: Unsupported value: \"Sticky\": supported values: \"ClientIP\", \"None\""},
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

TEST(Service, annotations_are_checked_with_the_spec) {
  const Document plain = json(service_with(R"({"ports":[{"port":80}]})"));
  auto annotated = [&](std::string_view annotations) { return create_errors(services(), with(plain, {"metadata", "annotations"}, annotations)); };
  EXPECT_EQ(annotated(R"({"service.beta.kubernetes.io/load-balancer-source-ranges":"10.0.0.0/8, 10.1/9"})"),
            "Forbidden metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Forbidden: may only be used when "
            "`type` is 'LoadBalancer' | Invalid metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Invalid "
            "value: \"10.1/9\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
  EXPECT_EQ(annotated(R"({"service.kubernetes.io/topology-mode":"a","service.kubernetes.io/topology-aware-hints":"b"})"),
            "Invalid metadata.annotations[service.kubernetes.io/topology-mode]: Invalid value: \"a\": must match "
            "annotations[service.kubernetes.io/topology-aware-hints] when both are specified");
}

TEST(Service, allows_only_some_changes) {
  const Document plain = stored(R"({"ports":[{"port":80}]})");
  const Document balancer = stored(
      R"({"type":"LoadBalancer","externalTrafficPolicy":"Local","loadBalancerClass":"a.b/c","ports":[{"port":80}]})");
  const Document two = with(with(plain, {"spec", "clusterIPs"}, R"(["10.43.0.7","fd00::7"])"), {"spec", "ipFamilies"}, R"(["IPv4","IPv6"])");
  const Document dual = with(two, {"spec", "ipFamilyPolicy"}, "\"PreferDualStack\"");
  const Document one = with(with(dual, {"spec", "clusterIPs"}, R"(["10.43.0.7"])"), {"spec", "ipFamilies"}, R"(["IPv4"])");
  const struct {
    const char* name;
    Document now, old;
    const char* want;
  } cases[] = {
      {"nothing", plain, plain, ""},
      {"ports and selector", with(plain, {"spec", "selector"}, R"({"a":"b"})"), plain, ""},
      {"the first family", with(plain, {"spec", "ipFamilies"}, R"(["IPv6"])"), with(plain, {"spec", "ipFamilies"}, R"(["IPv4"])"),
       "Invalid spec.ipFamilies[0]: Invalid value: [\"IPv6\"]: may not change once set | Invalid spec.clusterIPs[0]: Invalid value: "
       "\"10.43.0.7\": expected an IPv6 value as indicated by `ipFamilies[0]`"},
      {"the second address goes", with(one, {"spec", "ipFamilyPolicy"}, "\"SingleStack\""), dual, ""},
      {"the second address goes, the policy stays", one, dual,
       "Invalid spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be set to 'SingleStack' when releasing the secondary "
       "clusterIP | Invalid spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be set to 'SingleStack' when releasing the "
       "secondary ipFamily"},
      {"a second address comes", dual, one, ""},
      {"the balancer's class", with(balancer, {"spec", "loadBalancerClass"}, "\"d.e/f\""), balancer,
       "Invalid spec.loadBalancerClass: Invalid value: \"d.e/f\": may not change once set"},
      {"the health port", with(balancer, {"spec", "healthCheckNodePort"}, "32000"), balancer,
       "Forbidden spec.healthCheckNodePort: Forbidden: field is immutable"},
  };
  for (const auto& c : cases) {
    FieldErrors errors;
    services().validate_update(c.now.root(), c.old.root(), errors);
    EXPECT_EQ(texts(errors), c.want) << c.name;
  }
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
  const Document balancer = stored(R"({"type":"LoadBalancer","ports":[{"port":80}]})");
  const struct {
    const char *name, *ingress, *want;
  } cases[] = {
      {"address", R"({"ip":"1.2.3.4"})", ""},
      {"no address", R"({"ip":"x"})",
       "Invalid status.loadBalancer.ingress[0].ip: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"},
      {"mode", R"({"ip":"1.2.3.4","ipMode":"Odd"})",
       "NotSupported status.loadBalancer.ingress[0].ipMode: Unsupported value: \"Odd\": supported values: \"Proxy\", \"VIP\""},
      {"mode of no address", R"({"hostname":"a.b","ipMode":"VIP"})",
       "Forbidden status.loadBalancer.ingress[0].ipMode: Forbidden: may not be specified when `ip` is not set"},
      {"address for a name", R"({"hostname":"1.2.3.4"})",
       "Invalid status.loadBalancer.ingress[0].hostname: Invalid value: \"1.2.3.4\": must be a DNS name, not an IP address"},
  };
  for (const auto& c : cases)
    EXPECT_EQ(status_errors(services(), with(balancer, {"status", "loadBalancer"}, cat(R"({"ingress":[)", c.ingress, "]}")), balancer), c.want)
        << c.name;
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

#include "core/controllers/all.h"
#include "tests/core/controllers/plan_text.h"

namespace bramble {
namespace {

const ObjectKey kAll{"", "load balancers"};

std::string node(const std::string& name, const std::string& address, const std::string& meta = "", const std::string& ready = "True") {
  return cat(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":")", name, "\"", meta, R"(},"status":{"conditions":[{"type":"Ready","status":")", ready,
             R"("}],"addresses":[{"type":"InternalIP","address":")", address, R"("},{"type":"Hostname","address":")", name, R"("}]}})");
}

std::string service(const std::string& name, const std::string& made, int port, const std::string& spec = "", const std::string& meta = "", const std::string& status = "{}") {
  return cat(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":")", name, R"(","namespace":"default","uid":"u-)", name, R"(","creationTimestamp":"2026-01-02T03:00:0)", made, R"(Z")", meta,
             R"(},"spec":{"type":"LoadBalancer","ipFamilies":["IPv4"],"ports":[{"port":)", port, R"(,"protocol":"TCP"}])", spec, R"(},"status":)", status, "}");
}

std::string patch(const std::string& name, const std::vector<std::string>& addresses) {
  std::string list;
  for (const std::string& a : addresses) list += cat(list.empty() ? "" : ",", R"({"ip":")", a, R"(","ipMode":"VIP"})");
  return cat("patch services/status default/", name, R"( {"status":{"loadBalancer":{"ingress":)", addresses.empty() ? "null" : cat("[", list, "]"), "}}}");
}

std::string told(const std::string& addresses) { return cat("then Normal UpdatedIngressIP: LoadBalancer Ingress IP addresses updated: ", addresses); }
std::string pending(const std::string& why) { return cat("event Warning LoadBalancerPending: No address for the load balancer: ", why); }

TEST(ServiceLb, gives_services_the_addresses_of_nodes) {
  const std::string a = node("a", "192.0.2.1"), b = node("b", "192.0.2.2");
  const std::string one = service("one", "1", 80), two = service("two", "2", 80);
  const std::string has_one = R"({"loadBalancer":{"ingress":[{"ip":"192.0.2.1","ipMode":"VIP"}]}})";
  auto labelled = [](const std::string& key, const std::string& value) { return cat(R"(,"labels":{"svccontroller.)", key, R"(":")", value, "\"}"); };
  const std::string slice = R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"one-x","namespace":"default","labels":{"kubernetes.io/service-name":"one"}},"addressType":"IPv4","endpoints":[{"addresses":["10.42.1.2"],"nodeName":"b","conditions":{"ready":true}}]})";
  const std::string pod = R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"x"},"spec":{"nodeName":"a","containers":[{"name":"c","ports":[{"containerPort":1,"hostPort":80,"protocol":"TCP"}]}]}})";
  check_reconcile(
      service_lb_controller(6443),
      {
          {"all ready nodes", {a, b, node("c", "192.0.2.3", "", "False"), one}, kAll, {patch("one", {"192.0.2.1", "192.0.2.2"}), told("192.0.2.1, 192.0.2.2")}},
          {"up to date", {a, service("one", "1", 80, "", "", has_one)}, kAll, {}},
          {"external addresses go before", {R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"a"},"status":{"conditions":[{"type":"Ready","status":"True"}],"addresses":[{"type":"InternalIP","address":"192.0.2.1"},{"type":"ExternalIP","address":"203.0.113.1"}]}})", one}, kAll,
           {patch("one", {"203.0.113.1"}), told("203.0.113.1")}},
          {"the label chooses nodes", {a, node("b", "192.0.2.2", labelled("bramble.cattle.io/enablelb", "true")), one}, kAll, {patch("one", {"192.0.2.2"}), told("192.0.2.2")}},
          {"k3s's label too", {node("a", "192.0.2.1", labelled("k3s.cattle.io/enablelb", "true")), b, one}, kAll, {patch("one", {"192.0.2.1"}), told("192.0.2.1")}},
          {"a pool", {a, node("b", "192.0.2.2", labelled("bramble.cattle.io/lbpool", "p")), service("one", "1", 80, "", labelled("bramble.cattle.io/lbpool", "p"))}, kAll, {patch("one", {"192.0.2.2"}), told("192.0.2.2")}},
          {"excluded", {a, node("b", "192.0.2.2", R"(,"labels":{"node.kubernetes.io/exclude-from-external-load-balancers":""})"), one}, kAll, {patch("one", {"192.0.2.1"}), told("192.0.2.1")}},
          {"the oldest has the port", {a, two, one}, kAll, {pending("port TCP/80 of node a belongs to service default/one"), patch("one", {"192.0.2.1"}), told("192.0.2.1")}},
          {"a port of the node's own", {a, service("one", "1", 22)}, kAll, {pending("port TCP/22 of node a belongs to the node")}},
          {"unless it insists", {a, service("one", "1", 22, "", R"(,"annotations":{"svccontroller.bramble.cattle.io/take-ports":"true"})")}, kAll, {patch("one", {"192.0.2.1"}), told("192.0.2.1")}},
          {"a process listens there", {node("a", "192.0.2.1", R"(,"annotations":{"svccontroller.bramble.cattle.io/taken-ports":"TCP/80 UDP/68"})"), b, one}, kAll, {patch("one", {"192.0.2.2"}), told("192.0.2.2")}},
          {"a pod has the host port", {a, one, pod}, kAll, {pending("port TCP/80 of node a belongs to pod x/p")}},
          {"where its endpoints are", {a, b, slice, service("one", "1", 80, R"(,"externalTrafficPolicy":"Local")")}, kAll, {patch("one", {"192.0.2.2"}), told("192.0.2.2")}},
          {"a class is somebody else's", {a, service("one", "1", 80, R"(,"loadBalancerClass":"example.com/x")")}, kAll, {}},
          {"the last node goes", {service("one", "1", 80, "", "", has_one)}, kAll, {pending("no node is ready that may serve it"), patch("one", {})}},
      });
}

TEST(ServiceLb, says_once_why_it_waits) {
  Controller c = service_lb_controller(6443);
  MapSnapshot s = snapshot_of({node("a", "192.0.2.1"), service("one", "1", 6443)});
  EXPECT_EQ(c.reconcile(s, kAll, at()).events.size(), 1u);
  EXPECT_EQ(c.reconcile(s, kAll, at()).events.size(), 0u);
}

TEST(DnsService, shows_where_the_dns_of_the_cluster_is) {
  const std::string ns = R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"kube-system"}})";
  const ObjectKey key{"kube-system", "kube-dns"};
  check_reconcile(dns_service_controller("10.43.0.10"),
                  {{"new", {ns}, key,
                    {R"(create services kube-system/kube-dns ~ "k8s-app":"kube-dns" ~ "clusterIP":"10.43.0.10")", R"(create endpointslices kube-system/kube-dns ~ "addresses":["10.43.0.10"])",
                     R"(create endpoints kube-system/kube-dns ~ "ip":"10.43.0.10")"}},
                   {"somebody's own", {ns, R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"kube-dns","namespace":"kube-system"},"spec":{"clusterIP":"10.43.0.10","selector":{"a":"b"}}})"}, key, {}}});
}

}  // namespace
}  // namespace bramble

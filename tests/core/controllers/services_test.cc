#include "core/controllers/all.h"
#include "tests/core/controllers/plan_text.h"

namespace bramble {
namespace {

const ObjectKey kWeb{"default", "web"};

std::string service(const std::string& spec = R"("ports":[{"name":"http","port":80,"targetPort":8080,"protocol":"TCP"}])") {
  return cat(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"default","uid":"s1","creationTimestamp":"2026-01-02T03:00:00Z","labels":{"team":"a"}},"spec":{"selector":{"app":"web"},)",
             spec, "}}");
}

std::string pod(const std::string& name, const std::string& ip, bool ready, const std::string& more_meta = "", const std::string& more_spec = "") {
  return cat(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")", name, R"(","namespace":"default","uid":"u-)", name, R"(","labels":{"app":"web"})", more_meta,
             R"(},"spec":{"nodeName":"n1")", more_spec, R"(,"containers":[{"name":"c","ports":[{"name":"web","containerPort":9090,"protocol":"TCP"}]}]},"status":{"phase":"Running","podIP":")", ip,
             R"(","podIPs":[{"ip":")", ip, R"("}],"conditions":[{"type":"Ready","status":")", ready ? "True" : "False", R"(","lastTransitionTime":"2026-01-02T03:01:00Z"}]}})");
}

const std::string kGoing = R"(,"deletionTimestamp":"2026-01-02T03:04:05Z")";

TEST(Endpoints, lists_ready_and_other_addresses_of_selected_pods) {
  check_reconcile(
      endpoints_controller(),
      {
          {"none yet", {service()}, kWeb, {R"(create endpoints default/web ~ "labels":{"team":"a","endpoints.kubernetes.io/managed-by":"endpoint-controller"} ~ "endpoints.kubernetes.io/last-change-trigger-time":"2026-01-02T03:00:00Z")"}},
          {"ready and not ready", {service(), pod("b", "10.42.0.3", true), pod("a", "10.42.0.2", false)}, kWeb,
           {R"(create endpoints default/web ~ "subsets":[{"addresses":[{"ip":"10.42.0.3","nodeName":"n1","targetRef":{"kind":"Pod","namespace":"default","name":"b","uid":"u-b"}}],"notReadyAddresses":[{"ip":"10.42.0.2" ~ "ports":[{"name":"http","port":8080,"protocol":"TCP"}]}])"}},
          {"a going pod is none", {service(), pod("a", "10.42.0.2", true, kGoing)}, kWeb, {"create endpoints default/web"}},
          {"named port", {service(R"("ports":[{"port":80,"targetPort":"web","protocol":"TCP"}])"), pod("a", "10.42.0.2", true)}, kWeb,
           {R"(create endpoints ~ "ports":[{"port":9090,"protocol":"TCP"}])"}},
          {"publish all", {service(R"("publishNotReadyAddresses":true,"ports":[{"port":80}])"), pod("a", "10.42.0.2", false)}, kWeb,
           {R"(create endpoints ~ "subsets":[{"addresses":[{"ip":"10.42.0.2")"}},
          {"headless with a host name", {service(R"("clusterIP":"None","ports":[])"), pod("a", "10.42.0.2", true, "", R"(,"hostname":"h","subdomain":"web")")}, kWeb,
           {R"(create endpoints ~ "addresses":[{"ip":"10.42.0.2","hostname":"h")"}},
          {"without a selector", {R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"default"},"spec":{}})"}, kWeb, {}},
          {"service gone", {R"({"apiVersion":"v1","kind":"Endpoints","metadata":{"name":"web","namespace":"default","labels":{"endpoints.kubernetes.io/managed-by":"endpoint-controller"}}})"}, kWeb,
           {"delete endpoints default/web"}},
          {"up to date",
           {service(), R"({"apiVersion":"v1","kind":"Endpoints","metadata":{"name":"web","namespace":"default","labels":{"team":"a","endpoints.kubernetes.io/managed-by":"endpoint-controller"}}})"},
           kWeb, {}},
      });
}

std::string slice(const std::string& name, const std::string& ports, const std::string& endpoints) {
  return cat(R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":")", name, R"(","namespace":"default","uid":")", name,
             R"(","labels":{"team":"a","kubernetes.io/service-name":"web","endpointslice.kubernetes.io/managed-by":"endpointslice-controller.k8s.io"},"ownerReferences":[{"apiVersion":"v1","kind":"Service","name":"web","uid":"s1","controller":true,"blockOwnerDeletion":true}]},"addressType":"IPv4","endpoints":)",
             endpoints, R"(,"ports":)", ports, "}");
}

const std::string kZoned = R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n1","labels":{"topology.kubernetes.io/zone":"z1"}}})";

TEST(EndpointSlice, follows_the_pods_of_its_service) {
  const std::string http = R"([{"name":"http","protocol":"TCP","port":8080}])";
  const std::string a = R"({"addresses":["10.42.0.2"],"conditions":{"ready":true,"serving":true,"terminating":false},"targetRef":{"kind":"Pod","namespace":"default","name":"a","uid":"u-a"},"nodeName":"n1"})";
  std::vector<std::string> many{service()};
  for (int i = 0; i < 101; i++) many.push_back(pod(cat("p", i), cat("10.42.1.", i), true));
  check_reconcile(
      endpointslice_controller(),
      {
          {"no pods: a slice that says so", {service()}, kWeb, {R"(create endpointslices default/ ~ "generateName":"web-" ~ "kubernetes.io/service-name":"web" ~ "addressType":"IPv4","endpoints":[],"ports":[])"}},
          {"hints for the zone", {service(R"("trafficDistribution":"PreferClose","ports":[{"port":80}])"), pod("a", "10.42.0.2", true), kZoned}, kWeb, {R"(create endpointslices default/ ~ "zone":"z1" ~ "hints":{"forZones":[{"name":"z1"}]})"}},
          {"hints for the node", {service(R"("trafficDistribution":"PreferSameNode","ports":[{"port":80}])"), pod("a", "10.42.0.2", true), kZoned}, kWeb, {R"(create endpointslices default/ ~ "hints":{"forZones":[{"name":"z1"}],"forNodes":[{"name":"n1"}]})"}},
          {"conditions of ready, starting and ending pods", {service(), pod("a", "10.42.0.2", true), pod("b", "10.42.0.3", false), pod("c", "10.42.0.4", true, kGoing)}, kWeb,
           {cat("create endpointslices default/ ~ ", a, R"( ~ "conditions":{"ready":false,"serving":false,"terminating":false} ~ "conditions":{"ready":false,"serving":true,"terminating":true} ~ )", http)}},
          {"the zone of its node", {service(), pod("a", "10.42.0.2", true), R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n1","labels":{"topology.kubernetes.io/zone":"z1"}}})"}, kWeb,
           {R"(create endpointslices default/ ~ "zone":"z1")"}},
          {"up to date", {service(), pod("a", "10.42.0.2", true), slice("s", http, cat("[", a, "]"))}, kWeb, {}},
          {"a pod went", {service(), slice("s", http, cat("[", a, "]"))}, kWeb, {"create endpointslices default/", "delete endpointslices default/s"}},
          {"a pod came", {service(), pod("a", "10.42.0.2", true), pod("b", "10.42.0.3", true), slice("s", http, cat("[", a, "]"))}, kWeb,
           {"update endpointslices default/s ~ 10.42.0.3"}},
          {"a hundred in each", many, kWeb, {"create endpointslices default/", "create endpointslices default/"}},
          {"headless", {service(R"("clusterIP":"None","ports":[])"), pod("a", "10.42.0.2", true)}, kWeb, {R"(create endpointslices default/ ~ "service.kubernetes.io/headless":"")"}},
          {"slices of others stay", {service(R"("ports":[])"), replace_all(slice("s", "[]", "[]"), "endpointslice-controller.k8s.io", "me")}, kWeb, {"create endpointslices"}},
          {"service gone: owner references clean up", {slice("s", http, "[]")}, kWeb, {}},
      });
}

TEST(EndpointSlice, only_what_is_published_of_a_pod_wakes_its_services) {
  MapSnapshot s = snapshot_of({service()});
  Controller c = endpointslice_controller();
  Document ready = *Document::parse(pod("a", "10.42.0.2", true)), unready = *Document::parse(pod("a", "10.42.0.2", false));
  EXPECT_THAT(keys_of(c, s, {resource_ids::kPods, unready, ready}), testing::ElementsAre("default/web"));
  EXPECT_THAT(keys_of(c, s, {resource_ids::kPods, ready, ready}), testing::ElementsAre());
  EXPECT_THAT(keys_of(c, s, {resource_ids::kPods, ready, {}}), testing::ElementsAre("default/web"));
}

TEST(EndpointSliceMirroring, copies_hand_made_endpoints_of_services_without_a_selector) {
  const std::string plain = R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"default"},"spec":{"ports":[{"port":80}]}})";
  auto endpoints = [](const std::string& meta) {
    return cat(R"({"apiVersion":"v1","kind":"Endpoints","metadata":{"name":"web","namespace":"default","uid":"e1")", meta,
               R"(},"subsets":[{"addresses":[{"ip":"192.0.2.7","nodeName":"n1"}],"notReadyAddresses":[{"ip":"192.0.2.8"}],"ports":[{"port":80,"protocol":"TCP"}]}]})");
  };
  const std::string mirrored = R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"web-1","namespace":"default","labels":{"kubernetes.io/service-name":"web","endpointslice.kubernetes.io/managed-by":"endpointslicemirroring-controller.k8s.io"}},"addressType":"IPv4","endpoints":[],"ports":[{"name":"","protocol":"TCP","port":80}]})";
  check_reconcile(endpointslice_mirroring_controller(),
                  {{"copied", {plain, endpoints("")}, kWeb,
                    {R"(create endpointslices default/ ~ "endpointslice.kubernetes.io/managed-by":"endpointslicemirroring-controller.k8s.io" ~ "kind":"Endpoints","name":"web","uid":"e1" ~ "endpoints":[{"addresses":["192.0.2.7"],"conditions":{"ready":true},"nodeName":"n1"},{"addresses":["192.0.2.8"],"conditions":{"ready":false}}],"ports":[{"name":"","protocol":"TCP","port":80}])"}},
                   {"brought up to date", {plain, endpoints(""), mirrored}, kWeb, {R"(update endpointslices default/web-1 ~ 192.0.2.7)"}},
                   {"asked not to", {plain, endpoints(R"(,"labels":{"endpointslice.kubernetes.io/skip-mirror":"true"})")}, kWeb, {}},
                   {"a service with a selector has its own", {service(), endpoints("")}, kWeb, {}},
                   {"no longer wanted", {mirrored}, kWeb, {"delete endpointslices default/web-1"}}});
}

TEST(KubernetesService, leads_to_this_server) {
  Controller c = kubernetes_service_controller("192.168.1.5", 6443, "10.43.0.1");
  const std::string ns = R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"default"}})";
  const std::string old = R"({"apiVersion":"v1","kind":"Endpoints","metadata":{"name":"kubernetes","namespace":"default"},"subsets":[{"addresses":[{"ip":"192.168.1.4"}],"ports":[{"name":"https","port":6443,"protocol":"TCP"}]}]})";
  check_reconcile(c, {{"before its namespace", {}, {"default", "kubernetes"}, {}},
                      {"made", {ns}, {"default", "kubernetes"},
                       {R"(create services default/kubernetes ~ "labels":{"component":"apiserver","provider":"kubernetes"} ~ "clusterIP":"10.43.0.1" ~ {"name":"https","protocol":"TCP","port":443,"targetPort":6443})",
                        R"(create endpoints default/kubernetes ~ "endpointslice.kubernetes.io/skip-mirror":"true" ~ "ip":"192.168.1.5")",
                        R"(create endpointslices default/kubernetes ~ "kubernetes.io/service-name":"kubernetes" ~ "addresses":["192.168.1.5"],"conditions":{"ready":true})"}},
                      {"the address changed", {ns, old, R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"kubernetes","namespace":"default"}})"}, {"default", "kubernetes"},
                       {R"(update endpoints default/kubernetes ~ "ip":"192.168.1.5")", "create endpointslices default/kubernetes"}}});
}

}  // namespace
}  // namespace bramble

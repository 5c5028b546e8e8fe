// What creates, updates and updates of a status warn of, kind by kind.
#include "core/resources/update_warnings.h"

#include <gtest/gtest.h>

#include "tests/core/resources/kind_cases.h"

namespace bramble {
namespace {

constexpr std::string_view kLeadingZeroes = "non-standard IP address \"10.0.0.01\" is invalid: use \"10.0.0.1\"";

std::string metadata(int generation) { return cat(R"("metadata":{"name":"x","resourceVersion":"1","generation":)", generation, "}"); }
// A template with something to warn of.
std::string pods(std::string_view secret = "") {
  return cat(R"("template":{"spec":{"containers":[{"name":"c","image":"i","ports":[{"containerPort":1},{"containerPort":1}]}],"imagePullSecrets":[{"name":")", secret, R"("}]}})");
}
constexpr std::string_view kPort =
    "spec.template.spec.containers[0].ports[1]: duplicate port definition with spec.template.spec.containers[0].ports[0]";
constexpr std::string_view kSecret = "spec.template.spec.imagePullSecrets[0].name: invalid empty name \"\"";

TEST(UpdateWarnings, tell_only_of_what_an_update_changes) {
  auto both = cat(kSecret, " | ", kPort);
  auto object = [](int generation, std::string_view spec) { return cat("{", metadata(generation), R"(,"spec":{)", spec, "}}"); };
  const std::string claims = R"("volumeClaimTemplates":[{"spec":{"resources":{"requests":{"storage":"500m"}}}}])";
  auto crd = [](std::string_view formats) {
    return cat(R"({"metadata":{"resourceVersion":"1"},"spec":{"versions":[{"name":"v1","schema":{"openAPIV3Schema":)", formats, "}}]}}");
  };
  const struct {
    const char *name, *group, *resource;
    std::string old, now, want;
  } cases[] = {
      {"pods never", "", "pods", "{}", R"({"metadata":{"name":"a.b"},"spec":{"containers":[{"name":"c","ports":[{"containerPort":1},{"containerPort":1}]}]}})", ""},
      {"labels of a Deployment", "apps", "deployments", object(1, pods()), object(1, pods()), ""},
      {"its spec", "apps", "deployments", object(1, pods()), object(2, pods()), both},
      {"a DaemonSet but for its template", "apps", "daemonsets", object(1, pods()), object(2, cat(pods(), R"(,"minReadySeconds":1)")), ""},
      {"the template of a DaemonSet", "apps", "daemonsets", object(1, pods("s")), object(2, pods()), both},
      {"a StatefulSet's claims always", "apps", "statefulsets", object(1, cat(pods(), ",", claims)), object(1, cat(pods(), ",", claims)),
       "spec.volumeClaimTemplates[0].Spec.resources.requests[storage]: fractional byte value \"500m\" is invalid, must be an integer"},
      {"the old template of a ReplicationController", "", "replicationcontrollers", object(1, pods("s")), object(2, pods()), std::string(kPort)},
      {"a CronJob's zone always, its template not", "batch", "cronjobs", "{}",
       cat("{", metadata(0), R"(,"spec":{"schedule":"TZ=UTC 0 0 * * *","jobTemplate":{"spec":{)", pods(), "}}}}"),
       "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see "
       "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"},
      {"tokens of a driver", "storage.k8s.io", "csidrivers", "{}", R"({"spec":{"tokenRequests":[{"audience":"a"}]}})",
       "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume "
       "attributes"},
      {"the same tokens", "storage.k8s.io", "csidrivers", R"({"spec":{"tokenRequests":[{"audience":"a"}]}})", R"({"spec":{"tokenRequests":[{"audience":"a"}]}})", ""},
      {"a quota", "", "resourcequotas", "{}", R"({"spec":{"hard":{"requests.cpu":"2","limits.cpu":"1"}}})", ""},
      {"new formats", "apiextensions.k8s.io", "customresourcedefinitions", crd(R"({"properties":{"a":{"type":"string","format":"colour"}}})"),
       crd(R"({"properties":{"a":{"type":"string","format":"colour"},"b":{"type":"integer","format":"int16"}}})"), "unrecognized format \"int16\""},
      {"a Service", "", "services", "{}", R"({"spec":{"type":"ClusterIP","loadBalancerIP":"10.0.0.01"}})", cat("spec.loadBalancerIP: ", kLeadingZeroes)},
  };
  for (const auto& c : cases) {
    std::vector<std::string> out;
    update_warnings(v1(c.group, c.resource), json(c.now).root(), json(c.old).root(), out);
    EXPECT_EQ(join(out, " | "), c.want) << c.name;
  }
}

TEST(StatusWarnings, are_of_addresses) {
  const struct {
    const char *name, *group, *resource, *status;
    std::string want;
  } cases[] = {
      {"service", "", "services", R"({"loadBalancer":{"ingress":[{"hostname":"h"},{"ip":"10.0.0.01"}]}})", cat("status.loadBalancer.ingress[1]: ", kLeadingZeroes)},
      {"ingress", "networking.k8s.io", "ingresses", R"({"loadBalancer":{"ingress":[{"ip":"10.0.0.01"}]}})", cat("status.loadBalancer.ingress[0]: ", kLeadingZeroes)},
      {"pod", "", "pods", R"({"podIPs":[{"ip":"10.0.0.1"},{"ip":"FD00::1"}],"hostIPs":[{"ip":"10.0.0.01"}]})",
       cat("status.podIPs[1].ip: IPv6 address \"FD00::1\" should be in RFC 5952 canonical format (\"fd00::1\") | status.hostIPs[0].ip: ", kLeadingZeroes)},
      {"node", "", "nodes", R"({"addresses":[{"type":"InternalIP","address":"10.0.0.01"}]})", ""},
      {"deployment", "apps", "deployments", "{}", ""},
  };
  for (const auto& c : cases) {
    std::vector<std::string> out;
    status_warnings(v1(c.group, c.resource), json(cat(R"({"status":)", c.status, "}")).root(), out);
    EXPECT_EQ(join(out, " | "), c.want) << c.name;
  }
}

TEST(CreateWarnings, of_endpoints_quotas_definitions_and_reserved_names) {
  const std::string addresses = R"("subsets":[{"addresses":[{"ip":"10.0.0.1"},{"ip":"10.0.0.01"}],"notReadyAddresses":[{"ip":"10.0.0.01"}]}])";
  EXPECT_EQ(warnings_of(v1("", "endpoints"), cat("{", addresses, "}")),
            cat("subsets[0].addresses[1].ip: ", kLeadingZeroes, " | subsets[0].notReadyAddresses[0].ip: ", kLeadingZeroes));
  EXPECT_EQ(warnings_of(v1("", "endpoints"), cat(R"({"metadata":{"labels":{"endpoints.kubernetes.io/managed-by":"endpoint-controller"}},)", addresses, "}")), "");
  EXPECT_EQ(warnings_of(v1("", "resourcequotas"), R"({"spec":{"hard":{"cpu":"2","limits.cpu":"1","requests.memory":"1Gi","limits.memory":"1Gi","requests.storage":"3","limits.storage":"2"}}})"),
            "ResourceQuota cpu (2) should be less than limits.cpu (1) | ResourceQuota requests.storage (3) should be less than limits.storage (2)");
  EXPECT_EQ(warnings_of(v1("apiextensions.k8s.io", "customresourcedefinitions"),
                        R"({"spec":{"group":"g","versions":[{"name":"v1","schema":{"openAPIV3Schema":{"type":"object","format":"x","properties":{"a":{"type":"string","format":"date-time"},"b":{"items":{"type":"number","format":"int32"}},"c":{"format":"k8s-short-name"}}}}}]}})"),
            "unrecognized format \"x\" | unrecognized format \"int32\"");
  for (const char* resource : {"validatingadmissionpolicies", "validatingadmissionpolicybindings", "mutatingadmissionpolicies", "mutatingadmissionpolicybindings",
                               "validatingwebhookconfigurations", "mutatingwebhookconfigurations"})
    EXPECT_EQ(warnings_of(v1("admissionregistration.k8s.io", resource), R"({"metadata":{"name":"a.static.k8s.io"}})"),
              "metadata.name: names ending with \".static.k8s.io\" are reserved for static manifest-based configurations and cannot be managed via "
              "the API")
        << resource;
}

}  // namespace
}  // namespace bramble

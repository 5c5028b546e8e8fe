// What LimitRanges and RuntimeClasses give to pods and refuse of them, with upstream's texts.
#include "core/apiserver/admission_limit_range.h"
#include "core/apiserver/admission_runtime_class.h"
#include "core/crypto/x509.h"
#include "tests/core/apiserver/api_fixture.h"
#include "tests/core/json/json_text.h"

namespace bramble {
namespace {

Document limits_of(std::string_view items) { return json(cat(R"({"spec":{"limits":[)", items, "]}}")); }
std::string pod_of(std::string_view resources) {
  return cat(R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","resources":)", resources, "}]}}");
}

TEST(LimitRanger, gives_what_containers_leave_out_and_says_so) {
  const Document range = limits_of(R"({"type":"Container","default":{"cpu":"2","memory":"64Mi"},"defaultRequest":{"cpu":"100m"}})");
  const Document pod = json(R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c"},{"name":"d","resources":{"limits":{"cpu":"1"}}}],
    "initContainers":[{"name":"i","resources":{"requests":{"cpu":"1"},"limits":{"cpu":"1","memory":"1Mi"}}}]}})");
  Builder b(pod.root());
  default_from_limits({range}, b.root());
  EXPECT_EQ(b["spec"]["containers"].item(0)["resources"].dump(), R"({"limits":{"cpu":"2","memory":"64Mi"},"requests":{"cpu":"100m"}})");
  EXPECT_EQ(b["spec"]["containers"].item(1)["resources"].dump(), R"({"limits":{"cpu":"1","memory":"64Mi"},"requests":{"cpu":"100m"}})");
  EXPECT_EQ(b["spec"]["initContainers"].item(0)["resources"].dump(), R"({"requests":{"cpu":"1"},"limits":{"cpu":"1","memory":"1Mi"}})");
  EXPECT_EQ(b["metadata"]["annotations"]["kubernetes.io/limit-ranger"].str(),
            "LimitRanger plugin set: cpu request for container c; cpu, memory limit for container c; cpu request for container d; "
            "memory limit for container d");
}

TEST(LimitRanger, refuses_with_upstreams_texts) {
  const struct {
    const char *name, *limits, *resources, *want;
  } cases[] = {
      {"within", R"({"type":"Container","min":{"cpu":"1"},"max":{"cpu":"2"}})", R"({"requests":{"cpu":"1"},"limits":{"cpu":"2"}})", ""},
      {"no request", R"({"type":"Container","min":{"cpu":"1"}})", "{}", "minimum cpu usage per Container is 1.  No request is specified"},
      {"request too small", R"({"type":"Container","min":{"cpu":"1"}})", R"({"requests":{"cpu":"999m"}})",
       "minimum cpu usage per Container is 1, but request is 999m"},
      {"limit too small", R"({"type":"Container","min":{"cpu":"1"}})", R"({"requests":{"cpu":"1"},"limits":{"cpu":"500m"}})",
       "minimum cpu usage per Container is 1, but limit is 500m"},
      {"no limit", R"({"type":"Container","max":{"cpu":"1"}})", "{}", "maximum cpu usage per Container is 1.  No limit is specified"},
      {"limit too large", R"({"type":"Container","max":{"cpu":"2"}})", R"({"limits":{"cpu":"9"}})",
       "maximum cpu usage per Container is 2, but limit is 9"},
      {"request too large", R"({"type":"Container","max":{"cpu":"2"}})", R"({"limits":{"cpu":"2"},"requests":{"cpu":"3"}})",
       "maximum cpu usage per Container is 2, but request is 3"},
      {"no ratio without request", R"({"type":"Pod","maxLimitRequestRatio":{"cpu":"2"}})", R"({"limits":{"cpu":"2"}})",
       "cpu max limit to request ratio per Pod is 2, but no request is specified or request is 0"},
      {"no ratio without limit", R"({"type":"Pod","maxLimitRequestRatio":{"cpu":"2"}})", R"({"requests":{"cpu":"2"}})",
       "cpu max limit to request ratio per Pod is 2, but no limit is specified or limit is 0"},
      {"ratio", R"({"type":"Pod","maxLimitRequestRatio":{"cpu":"3"}})", R"({"requests":{"cpu":"100m"},"limits":{"cpu":"2"}})",
       "cpu max limit to request ratio per Pod is 3, but provided ratio is 20.000000"},
      {"ratio that is kept", R"({"type":"Pod","maxLimitRequestRatio":{"cpu":"1500m"}})", R"({"requests":{"cpu":"2"},"limits":{"cpu":"3"}})", ""},
      {"two faults", R"({"type":"Container","max":{"cpu":"1","memory":"1Mi"}})", R"({"limits":{"cpu":"2","memory":"2Mi"}})",
       "[maximum cpu usage per Container is 1, but limit is 2, maximum memory usage per Container is 1Mi, but limit is 2Mi]"},
      {"claims alone", R"({"type":"PersistentVolumeClaim","min":{"storage":"1Gi"}})", "{}", ""},
  };
  for (const auto& c : cases) {
    const Document pod = json(pod_of(c.resources));
    EXPECT_EQ(broken_pod_limits({limits_of(c.limits)}, pod.root()), c.want) << c.name;
  }
}

TEST(LimitRanger, counts_a_pod_whole_without_its_overhead) {
  const Document pod = json(R"({"spec":{"overhead":{"cpu":"5"},"containers":[{"name":"a","resources":{"limits":{"cpu":"1"}}},
    {"name":"b","resources":{"limits":{"cpu":"2"}}}],"initContainers":[{"name":"i","resources":{"limits":{"cpu":"4"}}}]}})");
  EXPECT_EQ(broken_pod_limits({limits_of(R"({"type":"Pod","max":{"cpu":"4"}})")}, pod.root()), "");
  EXPECT_EQ(broken_pod_limits({limits_of(R"({"type":"Pod","max":{"cpu":"3"}})")}, pod.root()),
            "maximum cpu usage per Pod is 3, but limit is 4");
}

TEST(LimitRanger, bounds_claims_by_their_requests) {
  const std::vector<Document> range = {limits_of(R"({"type":"PersistentVolumeClaim","min":{"storage":"1Gi"},"max":{"storage":"2Gi"}})")};
  const struct {
    const char *name, *storage, *want;
  } cases[] = {{"within", "1Gi", ""},
               {"too small", "1Mi", "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi"},
               {"too large", "3Gi", "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi"}};
  for (const auto& c : cases) {
    const Document claim = json(cat(R"({"spec":{"resources":{"requests":{"storage":")", c.storage, R"("}}}})"));
    EXPECT_EQ(broken_claim_limits(range, claim.root()), c.want) << c.name;
  }
}

TEST(RuntimeClass, gives_overhead_and_places_or_contradicts) {
  const Document rich = json(R"({"overhead":{"podFixed":{"cpu":"10m"}},"scheduling":{"nodeSelector":{"a":"b"},
    "tolerations":[{"key":"k","operator":"Exists"}]}})");
  const struct {
    const char* name;
    Document runtime_class;
    const char *spec, *error, *after;
  } cases[] = {
      {"nothing given", rich, "{}", "",
       R"({"overhead":{"cpu":"10m"},"nodeSelector":{"a":"b"},"tolerations":[{"key":"k","operator":"Exists"}]})"},
      {"the same overhead given", rich, R"({"overhead":{"cpu":"0.01"},"nodeSelector":{"c":"d"}})", "",
       R"({"overhead":{"cpu":"10m"},"nodeSelector":{"c":"d","a":"b"},"tolerations":[{"key":"k","operator":"Exists"}]})"},
      {"another overhead given", rich, R"({"overhead":{"cpu":"1"}})",
       "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead", nullptr},
      {"another place given", rich, R"({"nodeSelector":{"a":"x"}})",
       "conflict: runtimeClass.scheduling.nodeSelector[a] = b; pod.spec.nodeSelector[a] = x", nullptr},
      {"a narrower toleration goes", rich, R"({"tolerations":[{"key":"k","operator":"Equal","value":"v","effect":"NoSchedule"},{"key":"o"}]})", "",
       R"({"tolerations":[{"key":"o"},{"key":"k","operator":"Exists"}],"overhead":{"cpu":"10m"},"nodeSelector":{"a":"b"}})"},
      {"a wider one stays alone", rich, R"({"tolerations":[{"operator":"Exists"}]})", "",
       R"({"tolerations":[{"operator":"Exists"}],"overhead":{"cpu":"10m"},"nodeSelector":{"a":"b"}})"},
      {"overhead without a class", Document(), R"({"overhead":{"cpu":"1"}})",
       "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead", nullptr},
      {"no class", Document(), "{}", "", "{}"},
  };
  for (const auto& c : cases) {
    const Document pod = json(cat(R"({"spec":)", c.spec, "}"));
    Builder b(pod.root());
    EXPECT_EQ(apply_runtime_class(c.runtime_class, b.root()), c.error) << c.name;
    if (c.after == nullptr) continue;
    EXPECT_EQ(b["spec"].dump(), c.after) << c.name;
  }
}

class PodAdmission : public ApiTest {};

TEST_F(PodAdmission, asks_limit_ranges_and_runtime_classes) {
  ASSERT_EQ(call("POST", "/api/v1/namespaces/default/limitranges",
                 R"({"metadata":{"name":"l"},"spec":{"limits":[{"type":"Container","max":{"cpu":"2"}}]}})")->status, 201);
  auto made = call("POST", std::string(kPods), pod("a"));
  ASSERT_EQ(made->status, 201) << made->body;
  EXPECT_EQ(made->json()["spec"]["containers"].item(0)["resources"]["limits"]["cpu"].str(), "2");
  EXPECT_EQ(made->json()["status"]["qosClass"].str(), "Burstable");
  auto large = call("POST", std::string(kPods),
                    R"({"metadata":{"name":"b"},"spec":{"containers":[{"name":"c","image":"i","resources":{"limits":{"cpu":"9"}}}]}})");
  EXPECT_EQ(large->status, 403);
  EXPECT_EQ(large->json()["message"].str(), R"(pods "b" is forbidden: maximum cpu usage per Container is 2, but limit is 9)");
  auto unknown = call("POST", std::string(kPods), pod("c", R"(,"runtimeClassName":"nope")"));
  EXPECT_EQ(unknown->status, 403);
  EXPECT_EQ(unknown->json()["message"].str(), R"(pods "c" is forbidden: pod rejected: RuntimeClass "nope" not found)");
}

TEST_F(PodAdmission, faults_of_metadata_are_told_as_often_as_upstream_looks) {
  call("POST", std::string(kMaps), config_map("m"));
  call("POST", "/apis/coordination.k8s.io/v1/namespaces/default/leases", R"({"metadata":{"name":"m"}})");
  call("POST", "/api/v1/namespaces/default/events", R"({"metadata":{"name":"m"},"involvedObject":{"namespace":"default"}})");
  const std::pair<std::string, size_t> cases[] = {{cat(kMaps, "/m"), 3},
                                                  {"/apis/coordination.k8s.io/v1/namespaces/default/leases/m", 2},
                                                  {"/api/v1/namespaces/default/events/m", 1}};
  for (const auto& [path, times] : cases) {
    auto a = patch(path, R"({"metadata":{"labels":{"-":"x"}}})");
    EXPECT_EQ(a->status, 422) << a->body;
    const Document status = a->json();
    EXPECT_EQ(status["details"]["causes"].size(), times) << a->body;
    EXPECT_EQ(status["message"].str().find("metadata.labels"), status["message"].str().rfind("metadata.labels")) << "but one text";
  }
}

TEST_F(PodAdmission, finalizers_of_a_namespace_are_checked_where_they_change) {
  ASSERT_EQ(call("POST", "/api/v1/namespaces", R"({"metadata":{"name":"ending"}})")->status, 201);
  auto bad = call("PUT", "/api/v1/namespaces/ending/finalize", R"({"metadata":{"name":"ending"},"spec":{"finalizers":["kubernetes","x"]}})");
  EXPECT_EQ(bad->status, 422) << bad->body;
  EXPECT_EQ(bad->json()["details"]["causes"].item(0)["field"].str(), "spec.finalizers[1]");
}

class AdmissionApi : public ApiTest {
 protected:
  std::string message(const std::shared_ptr<KeptAnswer>& answer) { return answer->json()["message"].text(); }
  void grant(std::string_view name, std::string_view rules) {
    EXPECT_EQ(call("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", cat(R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":")", name, R"("},"rules":)", rules, "}"))->status, 201);
    EXPECT_EQ(call("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
                   cat(R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":")", name, R"("},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":")", name, R"("},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":")", name, R"("}]})"))->status, 201);
  }
  void become(std::string_view name) { user = name, groups = {"system:authenticated"}; }
  void become_admin() { user = "admin", groups = {"system:masters"}; }
  std::string storage_class(std::string_view name, std::string_view annotations, std::string_view more = {}) {
    return cat(R"({"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"name":")", name, R"(","annotations":)", annotations, R"(},"provisioner":"x/y")", more, "}");
  }
  std::string claim(std::string_view name, std::string_view spec_more = {}, std::string_view size = "1Gi") {
    return cat(R"({"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":")", name, R"("},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":")", size, "\"}}", spec_more, "}}");
  }
};
constexpr std::string_view kClaims = "/api/v1/namespaces/default/persistentvolumeclaims";
constexpr std::string_view kDefaultAnnotation = R"({"storageclass.kubernetes.io/is-default-class":"true"})";

TEST_F(AdmissionApi, a_claim_gets_the_newest_default_class) {
  EXPECT_FALSE(call("POST", std::string(kClaims), claim("none"))->json()["spec"].has("storageClassName"));
  for (const char* name : {"b", "a"}) EXPECT_EQ(call("POST", "/apis/storage.k8s.io/v1/storageclasses", storage_class(name, kDefaultAnnotation))->status, 201);
  EXPECT_EQ(call("POST", std::string(kClaims), claim("tie"))->json()["spec"]["storageClassName"].str(), "a");
  clock.advance_us(5000000);
  EXPECT_EQ(call("POST", "/apis/storage.k8s.io/v1/storageclasses", storage_class("z", kDefaultAnnotation))->status, 201);
  EXPECT_EQ(call("POST", "/apis/storage.k8s.io/v1/storageclasses", storage_class("plain", "{}"))->status, 201);
  EXPECT_EQ(call("POST", std::string(kClaims), claim("newest"))->json()["spec"]["storageClassName"].str(), "z");
  EXPECT_EQ(call("POST", std::string(kClaims), claim("empty", R"(,"storageClassName":"")"))->json()["spec"]["storageClassName"].dump(), R"("")");
  EXPECT_EQ(call("POST", std::string(kClaims), claim("own", R"(,"storageClassName":"plain")"))->json()["spec"]["storageClassName"].str(), "plain");
}

TEST_F(AdmissionApi, an_ingress_gets_the_default_class) {
  EXPECT_EQ(call("POST", "/apis/networking.k8s.io/v1/ingressclasses",
                 R"({"apiVersion":"networking.k8s.io/v1","kind":"IngressClass","metadata":{"name":"web","annotations":{"ingressclass.kubernetes.io/is-default-class":"true"}},"spec":{"controller":"x/y"}})")->status, 201);
  auto ingress = [](std::string_view name, std::string_view annotations) {
    return cat(R"({"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":")", name, R"(","annotations":)", annotations, R"(},"spec":{"defaultBackend":{"service":{"name":"s","port":{"number":80}}}}})");
  };
  const std::string at = "/apis/networking.k8s.io/v1/namespaces/default/ingresses";
  EXPECT_EQ(call("POST", at, ingress("a", "{}"))->json()["spec"]["ingressClassName"].str(), "web");
  EXPECT_FALSE(call("POST", at, ingress("b", R"({"kubernetes.io/ingress.class":"old"})"))->json()["spec"].has("ingressClassName"));
}

TEST_F(AdmissionApi, a_claim_grows_when_it_is_bound_and_its_class_lets_it) {
  EXPECT_EQ(call("POST", "/apis/storage.k8s.io/v1/storageclasses", storage_class("fixed", "{}"))->status, 201);
  EXPECT_EQ(call("POST", "/apis/storage.k8s.io/v1/storageclasses", storage_class("growing", "{}", R"(,"allowVolumeExpansion":true)"))->status, 201);
  const struct {
    const char *name, *class_name, *want;
  } cases[] = {
      {"fixed", "fixed", R"(persistentvolumeclaims "fixed" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize)"},
      {"growing", "growing", ""},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(call("POST", std::string(kClaims), claim(c.name, cat(R"(,"storageClassName":")", c.class_name, R"(","volumeName":"pv")")))->status, 201) << c.name;
    EXPECT_EQ(patch(cat(kClaims, "/", c.name, "/status"), R"({"status":{"phase":"Bound","capacity":{"storage":"1Gi"}}})")->status, 200) << c.name;
    auto grown = patch(cat(kClaims, "/", c.name), R"({"spec":{"resources":{"requests":{"storage":"2Gi"}}}})");
    EXPECT_EQ(grown->status == 200 ? std::string() : message(grown), c.want) << c.name;
  }
}

TEST_F(AdmissionApi, one_priority_class_alone_is_the_default) {
  auto priority = [](std::string_view name, std::string_view is_default) {
    return cat(R"({"apiVersion":"scheduling.k8s.io/v1","kind":"PriorityClass","metadata":{"name":")", name, R"("},"value":7,"globalDefault":)", is_default, "}");
  };
  const std::string at = "/apis/scheduling.k8s.io/v1/priorityclasses";
  EXPECT_EQ(call("POST", at, priority("a", "true"))->status, 201);
  EXPECT_EQ(message(call("POST", at, priority("b", "true"))),
            R"(priorityclasses.scheduling.k8s.io "b" is forbidden: PriorityClass a is already marked as default. Only one default can exist)");
  EXPECT_EQ(call("POST", at, priority("b", "false"))->status, 201);
  EXPECT_EQ(patch(cat(at, "/a"), R"({"description":"x"})")->status, 200);
}

TEST_F(AdmissionApi, nothing_new_in_a_namespace_that_ends_or_is_not_there) {
  auto none = call("POST", "/api/v1/namespaces/none/configmaps", config_map("x"));
  EXPECT_EQ(none->status, 404);
  EXPECT_EQ(message(none), R"(namespaces "none" not found)");
  EXPECT_EQ(call("POST", "/api/v1/namespaces", R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"n"}})")->status, 201);
  make_default_account("n");
  EXPECT_EQ(call("POST", "/api/v1/namespaces/n/pods", pod("p"))->status, 201);
  EXPECT_EQ(call("DELETE", "/api/v1/namespaces/n")->status, 200);
  const struct {
    const char *path;
    std::string body, want;
  } cases[] = {
      {"/api/v1/namespaces/n/configmaps", config_map("x"), R"(configmaps "x")"},
      {"/api/v1/namespaces/n/configmaps", R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"x-"}})", R"(configmaps "x-")"},
      {"/api/v1/namespaces/n/pods/p/eviction", R"({"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"p","namespace":"n"}})", R"(pods "p")"},
      {"/api/v1/namespaces/n/pods/p/binding", R"({"apiVersion":"v1","kind":"Binding","metadata":{"name":"p"},"target":{"kind":"Node","name":"x"}})", R"(pods "p")"},
  };
  for (const auto& c : cases) {
    auto refused = call("POST", c.path, c.body);
    EXPECT_EQ(refused->status, 403) << c.path;
    EXPECT_EQ(message(refused), cat(c.want, " is forbidden: unable to create new content in namespace n because it is being terminated"));
    Document status = refused->json();
    EXPECT_EQ(status["details"]["causes"].dump(), R"([{"reason":"NamespaceTerminating","message":"namespace n is being terminated","field":"metadata.namespace"}])");
  }
  EXPECT_EQ(patch("/api/v1/namespaces/n/pods/p", R"({"metadata":{"labels":{"a":"b"}}})")->status, 200) << "what is there may change";
}

TEST_F(AdmissionApi, owners_are_set_by_who_may_set_their_finalizers) {
  EXPECT_EQ(call("POST", std::string(kMaps), config_map("owner"))->status, 201);
  grant("writer", R"([{"apiGroups":[""],"resources":["configmaps"],"verbs":["get","create","update","patch"]}])");
  become("writer");
  auto owned = [&](std::string_view name, std::string_view kind, std::string_view blocks) {
    return cat(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")", name, R"(","ownerReferences":[{"apiVersion":"v1","kind":")", kind, R"(","name":"owner","uid":"1","blockOwnerDeletion":)", blocks, "}]}}");
  };
  EXPECT_EQ(call("POST", std::string(kMaps), owned("a", "ConfigMap", "false"))->status, 201) << "what one makes may have owners";
  EXPECT_EQ(message(call("POST", std::string(kMaps), owned("b", "ConfigMap", "true"))),
            R"(configmaps "b" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>)");
  EXPECT_EQ(message(call("POST", std::string(kMaps), owned("b", "Thing", "true"))),
            R"(configmaps "b" is forbidden: cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion v1 Kind Thing: no matches for kind "Thing" in version "v1")");
  EXPECT_EQ(patch(cat(kMaps, "/a"), R"({"data":{"x":"y"}})")->status, 200);
  EXPECT_EQ(message(patch(cat(kMaps, "/a"), R"({"metadata":{"ownerReferences":null}})")),
            R"(configmaps "a" is forbidden: cannot set an ownerRef on a resource you can't delete: , <nil>)");
  become_admin();
  EXPECT_EQ(call("POST", std::string(kMaps), owned("b", "ConfigMap", "true"))->status, 201);
}

TEST_F(AdmissionApi, a_pod_on_a_node_gets_its_zone_and_region) {
  EXPECT_EQ(call("POST", "/api/v1/nodes", R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n","labels":{"topology.kubernetes.io/zone":"z","topology.kubernetes.io/region":"r","other":"x"}}})")->status, 201);
  auto labels = [&](std::string_view name) { return call("GET", cat(kPods, "/", name))->json()["metadata"]["labels"].dump(); };
  EXPECT_EQ(call("POST", std::string(kPods), pod("static", R"(,"nodeName":"n")"))->status, 201);
  EXPECT_EQ(labels("static"), R"({"topology.kubernetes.io/zone":"z","topology.kubernetes.io/region":"r"})");
  EXPECT_EQ(call("POST", std::string(kPods), replace_all(pod("bound"), R"("name":"bound")", R"("name":"bound","labels":{"topology.kubernetes.io/zone":"mine"})"))->status, 201);
  EXPECT_EQ(call("POST", cat(kPods, "/bound/binding"), R"({"apiVersion":"v1","kind":"Binding","metadata":{"name":"bound"},"target":{"kind":"Node","name":"n"}})")->status, 201);
  EXPECT_EQ(labels("bound"), R"({"topology.kubernetes.io/zone":"mine","topology.kubernetes.io/region":"r"})");
}

TEST_F(AdmissionApi, a_pod_made_again_keeps_its_token_volume) {
  auto made = call("POST", std::string(kPods), pod("a", R"(,"volumes":[{"name":"kube-api-access-abcde","emptyDir":{}}])"));
  ASSERT_EQ(made->status, 201) << made->body;
  Document object = made->json();
  EXPECT_EQ(object["spec"]["volumes"].size(), 1u);
  EXPECT_EQ(object["spec"]["containers"].item(0)["volumeMounts"].item(0)["name"].str(), "kube-api-access-abcde");
}

TEST_F(AdmissionApi, mirror_pods_refer_to_nothing_and_accounts_may_name_their_secrets) {
  auto mirror = [](std::string_view spec_more) { return replace_all(pod("m", spec_more), R"("name":"m")", R"("name":"m","annotations":{"kubernetes.io/config.mirror":"x"})"); };
  EXPECT_EQ(message(call("POST", std::string(kPods), mirror(R"(,"nodeName":"n","serviceAccountName":"default")"))), R"(pods "m" is forbidden: a mirror pod may not reference service accounts)");
  EXPECT_EQ(message(call("POST", std::string(kPods), mirror(R"(,"nodeName":"n","volumes":[{"name":"v","secret":{"secretName":"s"}}])"))), R"(pods "m" is forbidden: a mirror pod may not reference secrets)");
  EXPECT_EQ(patch("/api/v1/namespaces/default/serviceaccounts/default", R"({"metadata":{"annotations":{"kubernetes.io/enforce-mountable-secrets":"true"}},"secrets":[{"name":"mine"}]})")->status, 200);
  EXPECT_EQ(call("POST", std::string(kPods), pod("a", R"(,"volumes":[{"name":"v","secret":{"secretName":"mine"}}])"))->status, 201);
  EXPECT_EQ(message(call("POST", std::string(kPods), pod("b", R"(,"volumes":[{"name":"v","secret":{"secretName":"yours"}}])"))),
            R"(pods "b" is forbidden: volume with secret.secretName="yours" is not allowed because service account default does not reference that secret)");
}

TEST_F(AdmissionApi, requests_are_approved_and_signed_by_whom_the_signer_allows) {
  auto key = PrivateKey::generate_p256();
  ASSERT_TRUE(key.ok());
  auto request = [&](std::string_view name, std::string_view signer, const std::string& group) {
    CertificateSubject subject;
    subject.common_name = "x";
    subject.organizations = {group};
    auto pem = make_certificate_request(subject, *key);
    EXPECT_TRUE(pem.ok());
    return cat(R"({"apiVersion":"certificates.k8s.io/v1","kind":"CertificateSigningRequest","metadata":{"name":")", name, R"("},"spec":{"request":")", base64_encode(*pem), R"(","signerName":")", signer, R"(","usages":["client auth"]}})");
  };
  const std::string at = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
  EXPECT_EQ(message(call("POST", at, request("m", "kubernetes.io/kube-apiserver-client", "system:masters"))),
            R"(certificatesigningrequests.certificates.k8s.io "m" is forbidden: use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed)");
  EXPECT_EQ(call("POST", at, request("r", "example.com/mine", "dev"))->status, 201);
  grant("approver", R"([{"apiGroups":["certificates.k8s.io"],"resources":["certificatesigningrequests","certificatesigningrequests/approval","certificatesigningrequests/status"],"verbs":["*"]}])");
  grant("signer", R"([{"apiGroups":["certificates.k8s.io"],"resources":["certificatesigningrequests","certificatesigningrequests/approval"],"verbs":["*"]},{"apiGroups":["certificates.k8s.io"],"resources":["signers"],"resourceNames":["example.com/*"],"verbs":["approve"]}])");
  const char* approved = R"({"status":{"conditions":[{"type":"Approved","status":"True","reason":"R","message":"m"}]}})";
  become("approver");
  EXPECT_EQ(message(patch(cat(at, "/r/approval"), approved)), R"(certificatesigningrequests.certificates.k8s.io "r" is forbidden: user not permitted to approve requests with signerName "example.com/mine")");
  EXPECT_EQ(message(patch(cat(at, "/r/status"), R"({"status":{"conditions":[{"type":"Failed","status":"True","reason":"R","message":"m"}]}})")),
            R"(certificatesigningrequests.certificates.k8s.io "r" is forbidden: user not permitted to sign requests with signerName "example.com/mine")");
  become("signer");
  EXPECT_EQ(patch(cat(at, "/r/approval"), approved)->status, 200);
}

}  // namespace
}  // namespace bramble

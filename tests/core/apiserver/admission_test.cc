// What LimitRanges and RuntimeClasses give to pods and refuse of them, with upstream's texts.
#include "core/apiserver/admission_limits.h"
#include "core/apiserver/admission_runtime_class.h"
#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

Document parsed(std::string_view text) {
  auto d = Document::parse(text);
  EXPECT_TRUE(d.ok()) << text;
  return d.ok() ? *d : Document();
}

Document limits_of(std::string_view items) { return parsed(cat(R"({"spec":{"limits":[)", items, "]}}")); }
std::string pod_of(std::string_view resources) {
  return cat(R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","resources":)", resources, "}]}}");
}

TEST(LimitRanger, gives_what_containers_leave_out_and_says_so) {
  const Document range = limits_of(R"({"type":"Container","default":{"cpu":"2","memory":"64Mi"},"defaultRequest":{"cpu":"100m"}})");
  const Document pod = parsed(R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c"},{"name":"d","resources":{"limits":{"cpu":"1"}}}],
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
    const Document pod = parsed(pod_of(c.resources));
    Builder b(pod.root());
    EXPECT_EQ(broken_pod_limits({limits_of(c.limits)}, b.root()), c.want) << c.name;
  }
}

TEST(LimitRanger, counts_a_pod_whole_without_its_overhead) {
  const Document pod = parsed(R"({"spec":{"overhead":{"cpu":"5"},"containers":[{"name":"a","resources":{"limits":{"cpu":"1"}}},
    {"name":"b","resources":{"limits":{"cpu":"2"}}}],"initContainers":[{"name":"i","resources":{"limits":{"cpu":"4"}}}]}})");
  Builder b(pod.root());
  EXPECT_EQ(broken_pod_limits({limits_of(R"({"type":"Pod","max":{"cpu":"4"}})")}, b.root()), "");
  EXPECT_EQ(broken_pod_limits({limits_of(R"({"type":"Pod","max":{"cpu":"3"}})")}, b.root()),
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
    const Document claim = parsed(cat(R"({"spec":{"resources":{"requests":{"storage":")", c.storage, R"("}}}})"));
    Builder b(claim.root());
    EXPECT_EQ(broken_claim_limits(range, b.root()), c.want) << c.name;
  }
}

TEST(RuntimeClass, gives_overhead_and_places_or_contradicts) {
  const Document rich = parsed(R"({"overhead":{"podFixed":{"cpu":"10m"}},"scheduling":{"nodeSelector":{"a":"b"},
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
    const Document pod = parsed(cat(R"({"spec":)", c.spec, "}"));
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

}  // namespace
}  // namespace bramble

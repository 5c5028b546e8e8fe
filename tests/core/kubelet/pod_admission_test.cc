#include "core/kubelet/pod_admission.h"

#include <gtest/gtest.h>

namespace bramble {
namespace {

Document parse(std::string_view json) {
  auto d = Document::parse(json);
  CHECK(d.ok(), d.error().message());
  return *d;
}
Document pod_of(std::string_view spec) { return parse(cat(R"({"metadata":{"name":"p","namespace":"n","uid":"u"},"spec":{"nodeName":"n1",)", spec, "}}")); }

TEST(PodAdmission, refuses_with_upstreams_reasons_and_messages) {
  Document node = parse(R"({"metadata":{"name":"n1","labels":{"disk":"ssd"}},"spec":{"taints":[{"key":"gone","effect":"NoExecute"},{"key":"full","effect":"NoSchedule"}]}})");
  constexpr const char* kSome = R"("tolerations":[{"operator":"Exists"}],"containers":[{"name":"c","ports":[{"containerPort":80,"hostPort":80}],"resources":{"requests":{"cpu":"600m","memory":"100Mi"}}}])";
  struct Row {
    const char *name, *spec;
    int others;
    bool of_manifest;
    const char* expected;
  };
  const Row rows[] = {
      {"fits", R"("tolerations":[{"operator":"Exists"}],"containers":[{"name":"c","resources":{"requests":{"cpu":"400m","memory":"50Mi"}}}])", 1, false, ""},
      {"cpu", kSome, 1, false, "OutOfcpu: Pod was rejected: Node didn't have enough resource: cpu, requested: 600, used: 600, capacity: 1000"},
      {"memory", R"("tolerations":[{"operator":"Exists"}],"containers":[{"name":"c","resources":{"requests":{"memory":"200Mi"}}}])", 1, false,
       "OutOfmemory: Pod was rejected: Node didn't have enough resource: memory, requested: 209715200, used: 104857600, capacity: 209715200"},
      {"pods", R"("containers":[{"name":"c"}])", 3, false, "OutOfpods: Pod was rejected: Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3"},
      {"another resource", R"("tolerations":[{"operator":"Exists"}],"containers":[{"name":"c","resources":{"requests":{"example.com/gpu":"1"}}}])", 0, false,
       "OutOfexample.com/gpu: Pod was rejected: Node didn't have enough resource: example.com/gpu, requested: 1, used: 0, capacity: 0"},
      {"selector", R"("tolerations":[{"operator":"Exists"}],"nodeSelector":{"disk":"hdd"},"containers":[{"name":"c"}])", 0, false,
       "NodeAffinity: Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"},
      {"node name", R"("nodeName":"n2","containers":[{"name":"c"}])", 0, false, "NodeName: Pod was rejected: Predicate NodeName failed: node(s) didn't match the requested node name"},
      {"host port", R"("tolerations":[{"operator":"Exists"}],"containers":[{"name":"c","ports":[{"containerPort":81,"hostPort":80}]}])", 1, false,
       "NodePorts: Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"},
      {"taint", R"("containers":[{"name":"c"}])", 0, false, "TaintToleration: Pod was rejected: Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"},
      {"taints do not count for static pods", R"("containers":[{"name":"c"}])", 0, true, ""},
      {"taints that only the scheduler minds", R"("tolerations":[{"key":"gone","operator":"Exists"}],"containers":[{"name":"c"}])", 0, false, ""},
      {"system", R"("tolerations":[{"operator":"Exists"}],"os":{"name":"windows"},"containers":[{"name":"c"}])", 0, false,
       "PodOSNotSupported: Pod was rejected: Failed to admit pod as the OS field doesn't match node OS"},
  };
  AdmissionNode here{node.root(), resource_amounts(parse(R"({"cpu":"1","memory":"200Mi"})").root()), 3};
  for (const auto& row : rows) {
    std::vector<Document> others;
    for (int i = 0; i < row.others; ++i) others.push_back(i ? pod_of(R"("containers":[])") : pod_of(kSome));
    Document pod = pod_of(row.spec);
    if (std::string_view(row.name) == "node name") pod = parse(R"({"metadata":{"name":"p"},"spec":{"nodeName":"n2","tolerations":[{"operator":"Exists"}],"containers":[{"name":"c"}]}})");
    auto refusal = refuse_pod(pod.root(), here, others, row.of_manifest);
    EXPECT_EQ(refusal ? cat(refusal->reason, ": ", refusal->message) : std::string(), row.expected) << row.name;
  }
  AdmissionNode unknown{Value(), here.allocatable, 3};
  Document pod = pod_of(R"("nodeSelector":{"disk":"hdd"},"containers":[{"name":"c"}])");
  EXPECT_FALSE(refuse_pod(pod.root(), unknown, {}, false)) << "nothing is known of the node";
}

}  // namespace
}  // namespace bramble

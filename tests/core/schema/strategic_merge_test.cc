#include <gtest/gtest.h>

#include "core/base/strings.h"
#include "core/schema/engine.h"

namespace bramble {
namespace {

std::string merged(const char* type, std::string_view original, std::string_view patch) {
  Document o = Document::parse(original).value(), p = Document::parse(patch).value();
  auto r = strategic_merge(Type::find(type), o.root(), p.root());
  return r.ok() ? r->dump() : cat(code_name(r.error().code()), ": ", r.error().message());
}

TEST(StrategicMerge, follows_the_schema_and_the_directives) {
  static constexpr const char* kSpec = "core.v1.PodSpec";
  static constexpr struct {
    const char *name, *type, *original, *patch, *out;
  } kRows[] = {
      {"objects merge", "core.v1.ConfigMap", R"({"data":{"a":"1","b":"2"}})", R"({"data":{"b":null,"c":"3"}})", R"({"data":{"a":"1","c":"3"}})"},
      {"list by merge key", kSpec, R"({"containers":[{"name":"a","image":"1"},{"name":"b","image":"1"}]})", R"({"containers":[{"name":"b","image":"2"}]})",
       R"({"containers":[{"name":"a","image":"1"},{"name":"b","image":"2"}]})"},
      {"new items go first", kSpec, R"({"containers":[{"name":"a"},{"name":"b"}]})", R"({"containers":[{"name":"z"}]})",
       R"({"containers":[{"name":"z"},{"name":"a"},{"name":"b"}]})"},
      {"delete an item", kSpec, R"({"containers":[{"name":"a"},{"name":"b"}]})", R"({"containers":[{"$patch":"delete","name":"a"}]})", R"({"containers":[{"name":"b"}]})"},
      {"replace a list", kSpec, R"({"containers":[{"name":"a"}]})", R"({"containers":[{"$patch":"replace"},{"name":"q"}]})", R"({"containers":[{"name":"q"}]})"},
      {"replace an object", "apps.v1.DeploymentSpec", R"({"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}}})",
       R"({"strategy":{"$patch":"replace","type":"Recreate"}})", R"({"strategy":{"type":"Recreate"}})"},
      {"delete an object", "meta.v1.ObjectMeta", R"({"labels":{"a":"b"}})", R"({"labels":{"$patch":"delete"}})", R"({"labels":{}})"},
      {"atomic lists are replaced", kSpec, R"({"tolerations":[{"key":"a"}]})", R"({"tolerations":[{"key":"b"}]})", R"({"tolerations":[{"key":"b"}]})"},
      {"order wanted", kSpec, R"({"containers":[{"name":"q"}]})", R"({"$setElementOrder/containers":[{"name":"b"},{"name":"a"}],"containers":[{"name":"a"}]})",
       R"({"containers":[{"name":"a"},{"name":"q"}]})"},
      {"order alone", kSpec, R"({"containers":[{"name":"a"},{"name":"b"},{"name":"s"}]})", R"({"$setElementOrder/containers":[{"name":"b"},{"name":"a"}]})",
       R"({"containers":[{"name":"b"},{"name":"a"},{"name":"s"}]})"},
      {"order of a new list", kSpec, R"({})", R"({"$setElementOrder/containers":[{"name":"a"},{"name":"b"}],"containers":[{"name":"a"},{"name":"b"}]})",
       R"({"containers":[{"name":"a"},{"name":"b"}]})"},
      {"order broken", kSpec, R"({"containers":[]})", R"({"$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"b","image":"x"}]})",
       "internal: The order in patch list:\n[map[image:x name:b]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n"},
      {"sets merge", "meta.v1.ObjectMeta", R"({"finalizers":["a","b"]})", R"({"finalizers":["c","b"]})", R"({"finalizers":["c","a","b"]})"},
      {"sets lose items", "meta.v1.ObjectMeta", R"({"finalizers":["a","b"]})", R"({"$deleteFromPrimitiveList/finalizers":["a"]})", R"({"finalizers":["b"]})"},
      {"deletion of nothing", "meta.v1.ObjectMeta", R"({})", R"({"$deleteFromPrimitiveList/finalizers":["a"]})", R"({})"},
      {"retain keys", kSpec, R"({"volumes":[{"name":"v","emptyDir":{}}]})", R"({"volumes":[{"name":"v","hostPath":{"path":"/x"},"$retainKeys":["name","hostPath"]}]})",
       R"({"volumes":[{"name":"v","hostPath":{"path":"/x"}}]})"},
      {"retain keys contradicted", kSpec, R"({"volumes":[{"name":"v"}]})", R"({"volumes":[{"name":"v","emptyDir":{},"$retainKeys":["name"]}]})",
       "invalid argument: invalid patch format of retainKeys"},
      {"patch strategy replace", "policy.v1.PodDisruptionBudgetSpec", R"({"selector":{"matchLabels":{"a":"b"}}})", R"({"selector":{"matchLabels":{"c":"d"}}})",
       R"({"selector":{"matchLabels":{"c":"d"}}})"},
      {"nested lists", kSpec, R"({"containers":[{"name":"a","env":[{"name":"X","value":"1"}],"args":["1","2"]}]})",
       R"({"containers":[{"name":"a","env":[{"name":"Y","value":"2"}],"args":["3"]}]})",
       R"({"containers":[{"name":"a","env":[{"name":"Y","value":"2"},{"name":"X","value":"1"}],"args":["3"]}]})"},
      {"no merge key", kSpec, R"({"containers":[{"name":"a"}]})", R"({"containers":[{"image":"x"}]})", "internal: map: map[image:x] does not contain declared merge key: name"},
      {"unknown directive", kSpec, R"({"containers":[{"name":"a"}]})", R"({"containers":[{"name":"a","$patch":"frob"}]})",
       "internal: unknown patch type: frob in map: map[$patch:frob name:a]"},
      {"type changes", "apps.v1.DeploymentSpec", R"({"replicas":1})", R"({"replicas":"x"})", R"({"replicas":"x"})"},
      {"unknown fields are kept for the decoder", "apps.v1.DeploymentSpec", R"({"replicas":1})", R"({"foo":{"a":null,"b":1}})", R"({"replicas":1,"foo":{"b":1}})"},
      {"null list of upstream", kSpec, R"({"containers":null})", R"({"containers":[{"name":"a"}]})", R"({"containers":[{"name":"a"}]})"},
      {"numbers as keys", "core.v1.ServiceSpec", R"({"ports":[{"port":80,"name":"a"}]})", R"({"ports":[{"port":80,"name":"b"}]})", R"({"ports":[{"port":80,"name":"b"}]})"},
      {"not an object", kSpec, "{}", "[]", "invalid argument: json: cannot unmarshal array into Go value of type map[string]interface {}"},
  };
  for (const auto& row : kRows) EXPECT_EQ(merged(row.type, row.original, row.patch), row.out) << row.name;
}

}  // namespace
}  // namespace bramble

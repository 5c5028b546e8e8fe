#include "core/schema/apply/typed.h"

#include <gtest/gtest.h>

#include "core/base/strings.h"
#include "tests/core/json/json_text.h"

namespace bramble {
namespace {

MergeShape shape(const char* type) { return MergeShape(*Type::find(type)); }
FieldSet set(std::string_view text) { return FieldSet::parse(json(text).root()).value(); }

constexpr const char* kPodSpec = "core.v1.PodSpec";
constexpr const char* kMap = "core.v1.ConfigMap";
constexpr const char* kMeta = "meta.v1.ObjectMeta";

TEST(Typed, compares) {
  static constexpr struct {
    const char *name, *type, *before, *after, *removed, *modified, *added;
  } kRows[] = {
      {"nothing", kMap, R"({"data":{"a":"1"}})", R"({"data":{"a":"1"}})", "{}", "{}", "{}"},
      {"members of a map", kMap, R"({"data":{"a":"1","b":"1"}})", R"({"data":{"b":"2","c":"3"}})", R"({"f:data":{"f:a":{}}})", R"({"f:data":{"f:b":{}}})", R"({"f:data":{"f:c":{}}})"},
      {"a map that comes is a member too", kMap, "{}", R"({"data":{"a":"1"}})", "{}", "{}", R"({"f:data":{".":{},"f:a":{}}})"},
      {"a map that goes", kMap, R"({"data":{"a":"1"}})", "{}", R"({"f:data":{".":{},"f:a":{}}})", "{}", "{}"},
      {"an empty map that comes", kMap, "{}", R"({"data":{}})", "{}", "{}", R"({"f:data":{}})"},
      {"items by key", kPodSpec, R"({"containers":[{"name":"a","image":"1"},{"name":"b","image":"1"}]})", R"({"containers":[{"name":"c","image":"1"},{"name":"a","image":"2"}]})",
       R"({"f:containers":{"k:{\"name\":\"b\"}":{".":{},"f:image":{},"f:name":{}}}})", R"({"f:containers":{"k:{\"name\":\"a\"}":{"f:image":{}}}})",
       R"({"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:name":{}}}})"},
      {"a null list", kPodSpec, R"({"containers":null})", R"({"containers":[{"name":"a"}]})", "{}", "{}", R"({"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:name":{}}}})"},
      {"order alone is no change", kPodSpec, R"({"containers":[{"name":"a"},{"name":"b"}]})", R"({"containers":[{"name":"b"},{"name":"a"}]})", "{}", "{}", "{}"},
      {"sets", kMeta, R"({"finalizers":["a","b"]})", R"({"finalizers":["b","c"]})", R"({"f:finalizers":{"v:\"a\"":{}}})", "{}", R"({"f:finalizers":{"v:\"c\"":{}}})"},
      {"atomic lists", kPodSpec, R"({"tolerations":[{"key":"a"}]})", R"({"tolerations":[{"key":"b"}]})", "{}", R"({"f:tolerations":{}})", "{}"},
      {"atomic maps", kPodSpec, R"({"nodeSelector":{"a":"1"}})", R"({"nodeSelector":{"b":"1"}})", "{}", R"({"f:nodeSelector":{}})", "{}"},
      {"atomic types", "apps.v1.DeploymentSpec", R"({"selector":{"matchLabels":{"a":"1"}}})", R"({"selector":{"matchLabels":{"a":"2"}}})", "{}", R"({"f:selector":{}})", "{}"},
      {"embedded objects are whole", "apps.v1.ControllerRevision", R"({"data":{"a":1}})", R"({"data":{"a":2}})", "{}", R"({"f:data":{}})", "{}"},
      {"defaults of keys", "core.v1.ServiceSpec", R"({"ports":[{"port":80}]})", R"({"ports":[{"port":80,"protocol":"TCP"}]})", "{}", "{}",
       R"({"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{"f:protocol":{}}}})"},
      {"duplicates come", kPodSpec, R"({"containers":[{"name":"a","image":"1"}]})", R"({"containers":[{"name":"a"},{"name":"a"}]})",
       R"({"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:image":{},"f:name":{}}}})", "{}", R"({"f:containers":{"k:{\"name\":\"a\"}":{}}})"},
      {"duplicates go", kPodSpec, R"({"containers":[{"name":"a"},{"name":"a"}]})", R"({"containers":[{"name":"a"}]})", R"({"f:containers":{"k:{\"name\":\"a\"}":{}}})", "{}",
       R"({"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:name":{}}}})"},
      {"duplicates change", kPodSpec, R"({"containers":[{"name":"a"},{"name":"a"}]})", R"({"containers":[{"name":"a"},{"name":"a","image":"2"}]})", "{}",
       R"({"f:containers":{"k:{\"name\":\"a\"}":{}}})", "{}"},
      {"long maps", kMap, R"({"data":{"a":"","b":"","c":"","d":"","e":"","f":"","g":"","h":"","i":"","j":"","k":"","l":"","m":""}})",
       R"({"data":{"m":"","l":"","j":"","i":"","h":"","g":"","f":"","e":"","d":"","c":"x","b":"","a":"","z":""}})", R"({"f:data":{"f:k":{}}})", R"({"f:data":{"f:c":{}}})", R"({"f:data":{"f:z":{}}})"},
  };
  for (const auto& row : kRows) {
    Document before = json(row.before), after = json(row.after);
    auto c = compare_values(shape(row.type), before.root(), after.root());
    ASSERT_TRUE(c.ok()) << row.name;
    EXPECT_EQ(c->removed.text(), row.removed) << row.name;
    EXPECT_EQ(c->modified.text(), row.modified) << row.name;
    EXPECT_EQ(c->added.text(), row.added) << row.name;
  }
}

TEST(Typed, knows_what_a_value_mentions) {
  static constexpr struct {
    const char *name, *type, *value, *out;
  } kRows[] = {
      {"leaves and not their parents", kMap, R"({"data":{"a":"1"},"immutable":true})", R"({"f:data":{"f:a":{}},"f:immutable":{}})"},
      {"empty maps and nulls", kMap, R"({"data":{},"binaryData":null})", R"({"f:binaryData":{},"f:data":{}})"},
      {"empty lists of parts are nothing", kMeta, R"({"finalizers":[]})", "{}"},
      {"items and their fields", kPodSpec, R"({"containers":[{"name":"c","ports":[{"containerPort":80}]}]})",
       R"({"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:name":{},"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}}})"},
      {"duplicates once", kPodSpec, R"({"containers":[{"name":"c"},{"name":"c"}]})", R"({"f:containers":{"k:{\"name\":\"c\"}":{}}})"},
      {"sets", kMeta, R"({"finalizers":["b","a"]})", R"({"f:finalizers":{"v:\"a\"":{},"v:\"b\"":{}}})"},
      {"atomic ones whole", kPodSpec, R"({"nodeSelector":{"a":"b"},"tolerations":[]})", R"({"f:nodeSelector":{},"f:tolerations":{}})"},
      {"a pull secret without a name", kPodSpec, R"({"imagePullSecrets":[{}]})", R"({"f:imagePullSecrets":{"k:{\"name\":\"\"}":{}}})"},
      {"free JSON", "apiextensions.v1.JSONSchemaProps", R"({"default":{"a":{"b":[1]}}})", R"({"f:default":{"f:a":{".":{},"f:b":{}}}})"},
  };
  for (const auto& row : kRows) EXPECT_EQ(field_set_of(shape(row.type), json(row.value).root()).text(), row.out) << row.name;
}

TEST(Typed, merges) {
  static constexpr struct {
    const char *name, *type, *base, *over, *out;
  } kRows[] = {
      {"maps", kMap, R"({"data":{"a":"1","b":"1"}})", R"({"data":{"b":"2"}})", R"({"data":{"a":"1","b":"2"}})"},
      {"nothing is removed", kMap, R"({"data":{"a":"1"}})", R"({"data":{}})", R"({"data":{"a":"1"}})"},
      {"null over a map", kMap, R"({"data":{"a":"1"}})", R"({"data":null})", R"({"data":{"a":"1"}})"},
      {"null over a scalar", kMap, R"({"immutable":true})", R"({"immutable":null})", R"({"immutable":null})"},
      {"empty over null", kMap, R"({"data":null})", R"({"data":{}})", R"({"data":{}})"},
      {"items by key keep base's order", kPodSpec, R"({"containers":[{"name":"a","image":"1"},{"name":"b"}]})", R"({"containers":[{"name":"b","image":"2"}]})",
       R"({"containers":[{"name":"a","image":"1"},{"name":"b","image":"2"}]})"},
      {"new items where the applier has them", kPodSpec, R"({"containers":[{"name":"a"},{"name":"b"}]})", R"({"containers":[{"name":"n"},{"name":"b"}]})",
       R"({"containers":[{"name":"a"},{"name":"n"},{"name":"b"}]})"},
      {"the applier's order wins where both have the items", kPodSpec, R"({"containers":[{"name":"a"},{"name":"b"},{"name":"c"}]})", R"({"containers":[{"name":"c"},{"name":"a"}]})",
       R"({"containers":[{"name":"b"},{"name":"c"},{"name":"a"}]})"},
      {"sets", kMeta, R"({"finalizers":["a","b"]})", R"({"finalizers":["c","b"]})", R"({"finalizers":["a","c","b"]})"},
      {"atomic lists", kPodSpec, R"({"tolerations":[{"key":"a"}]})", R"({"tolerations":[{"key":"b"}]})", R"({"tolerations":[{"key":"b"}]})"},
      {"atomic maps", kPodSpec, R"({"nodeSelector":{"a":"1"}})", R"({"nodeSelector":{"b":"1"}})", R"({"nodeSelector":{"b":"1"}})"},
      {"an empty atomic list", kPodSpec, R"({"tolerations":[{"key":"a"}]})", R"({"tolerations":[]})", R"({"tolerations":[]})"},
      {"free JSON changes its type", "apiextensions.v1.JSONSchemaProps", R"({"default":{"a":1}})", R"({"default":"x"})", R"({"default":"x"})"},
      {"free JSON goes part by part", "apiextensions.v1.JSONSchemaProps", R"({"default":{"a":1,"b":[1]}})", R"({"default":{"b":[2]}})", R"({"default":{"a":1,"b":[2]}})"},
      {"stored duplicates stay", kPodSpec, R"({"containers":[{"name":"a","image":"1"},{"name":"a","image":"2"}]})", R"({"hostname":"h"})",
       R"({"containers":[{"name":"a","image":"1"},{"name":"a","image":"2"}],"hostname":"h"})"},
      {"stored duplicates become one when applied", kPodSpec, R"({"containers":[{"name":"a","image":"1"},{"name":"a","image":"2"}]})", R"({"containers":[{"name":"a","tty":true}]})",
       R"({"containers":[{"name":"a","tty":true}]})"},
  };
  for (const auto& row : kRows) {
    Document base = json(row.base), over = json(row.over);
    auto merged = merge_values(shape(row.type), base.root(), over.root());
    ASSERT_TRUE(merged.ok()) << row.name << ": " << merged.error().message();
    EXPECT_EQ(merged->root().dump(), row.out) << row.name;
  }
  Document base = json("{}"), over = json(R"({"containers":[{"name":"a"},{"name":"a"}]})");
  auto refused = merge_values(shape(kPodSpec), base.root(), over.root());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message(), R"(.containers: duplicate entries for key [name="a"])");
}

TEST(Typed, takes_fields_away) {
  static constexpr struct {
    const char *name, *type, *value, *fields, *out;
  } kRows[] = {
      {"a member", kMap, R"({"data":{"a":"1","b":"1"}})", R"({"f:data":{"f:a":{}}})", R"({"data":{"b":"1"}})"},
      {"all of a map leaves null", kMap, R"({"data":{"a":"1"},"immutable":true})", R"({"f:data":{"f:a":{}}})", R"({"data":null,"immutable":true})"},
      {"an item", kPodSpec, R"({"containers":[{"name":"a"},{"name":"b"}]})", R"({"f:containers":{"k:{\"name\":\"a\"}":{}}})", R"({"containers":[{"name":"b"}]})"},
      {"a field of an item", kPodSpec, R"({"containers":[{"name":"a","image":"1"}]})", R"({"f:containers":{"k:{\"name\":\"a\"}":{"f:image":{}}}})", R"({"containers":[{"name":"a"}]})"},
      {"of a set", kMeta, R"({"finalizers":["a","b"]})", R"({"f:finalizers":{"v:\"b\"":{}}})", R"({"finalizers":["a"]})"},
      {"what is not there", kMap, R"({"data":{"a":"1"}})", R"({"f:data":{"f:z":{}},"f:q":{}})", R"({"data":{"a":"1"}})"},
      {"parts of an atomic map take all", kPodSpec, R"({"nodeSelector":{"a":"1","b":"1"},"hostname":"h"})", R"({"f:nodeSelector":{"f:a":{}}})", R"({"nodeSelector":null,"hostname":"h"})"},
      {"everything", kMap, R"({"immutable":true})", R"({"f:immutable":{}})", ""},
  };
  for (const auto& row : kRows) {
    Document value = json(row.value);
    EXPECT_EQ(remove_fields(shape(row.type), value.root(), set(row.fields)).root().dump(), row.out) << row.name;
  }
}

TEST(Typed, says_what_does_not_fit) {
  static constexpr struct {
    const char *name, *type, *value, *out;
  } kRows[] = {
      {"fine", kPodSpec, R"({"containers":[{"name":"c","env":[{"name":"A","value":"1"}]}],"priority":null})", ""},
      {"unknown field", kMap, R"({"zz":1})", ".zz: field not declared in schema"},
      {"a number for a text", kPodSpec, R"({"containers":[{"name":"c","env":[{"name":"A","value":1}]}]})",
       R"(.containers[name="c"].env[name="A"].value: expected string, got &value.valueUnstructured{Value:1})"},
      {"a boolean for a text", kPodSpec, R"({"hostname":true})", ".hostname: expected string, got &value.valueUnstructured{Value:true}"},
      {"a map for a text", kPodSpec, R"({"hostname":{"a":"b"}})", R"(.hostname: expected string, got &value.valueUnstructured{Value:map[string]interface {}{"a":"b"}})"},
      {"a text for a boolean", kPodSpec, R"({"hostNetwork":"yes"})", ".hostNetwork: expected boolean, got &{yes}"},
      {"a text for a number", kPodSpec, R"({"priority":"1"})", ".priority: expected numeric (int or float), got string"},
      {"a map for a list", kPodSpec, R"({"containers":{"name":"a"}})", ".containers: expected list, got &{map[name:a]}"},
      {"a list for a map", kPodSpec, R"({"nodeSelector":["a"]})", ".nodeSelector: expected map, got &{[a]}"},
      {"inside of an atomic list", kPodSpec, R"({"tolerations":[{"key":"a"},{"foo":1}]})", ".tolerations[1].foo: field not declared in schema"},
      {"the same key twice", kPodSpec, R"({"containers":[{"name":"c"},{"name":"c"}]})", R"(.containers: duplicate entries for key [name="c"])"},
      {"no key", "core.v1.ServiceAccount", R"({"secrets":[{"kind":"x"}]})",
       R"(.secrets: element 0: associative list with keys has an element that omits all key fields ["name"] (and doesn't have default values for any key fields))"},
      {"a null item", kPodSpec, R"({"containers":[null]})", ".containers: element 0: associative list with keys may not have a null element"},
      {"a map in a set", kMeta, R"({"finalizers":[{}]})", ".finalizers: element 0: associative list without keys has an element that's a map type"},
      {"quantities and times are any scalar", kPodSpec, R"({"overhead":{"cpu":1,"memory":"1Gi"}})", ""},
      {"no scalar", kPodSpec, R"({"overhead":{"cpu":{}}})", ".overhead.cpu: expected any scalar, got &{map[]}"},
      {"several", kPodSpec, R"({"hostname":1,"containers":[{"name":"c","image":2}]})",
       "errors:\n  .hostname: expected string, got &value.valueUnstructured{Value:1}\n"
       "  .containers[name=\"c\"].image: expected string, got &value.valueUnstructured{Value:2}"},
      {"embedded objects take anything", "apps.v1.ControllerRevision", R"({"data":{"a":[{"b":null}]}})", ""},
  };
  for (const auto& row : kRows) EXPECT_EQ(misfit(shape(row.type), json(row.value).root(), false), row.out) << row.name;
  EXPECT_EQ(misfit(shape(kPodSpec), json(R"({"containers":[{"name":"c"},{"name":"c"}]})").root(), true), "");
}

TEST(Typed, brings_old_sets_to_todays_schema) {
  static constexpr struct {
    const char *name, *type, *set, *out;  // out "": as it is
  } kRows[] = {
      {"fine", "apps.v1.Deployment", R"({"f:spec":{"f:replicas":{},"f:selector":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{}}}}}}})", ""},
      {"a selector owned part by part", "apps.v1.Deployment", R"({"f:spec":{"f:replicas":{},"f:selector":{"f:matchLabels":{".":{},"f:a":{}}}}})", R"({"f:spec":{"f:replicas":{},"f:selector":{}}})"},
      {"an atomic list owned by items", kPodSpec, R"({"f:tolerations":{"k:{\"key\":\"a\"}":{".":{}}},"f:hostname":{}})", R"({"f:hostname":{},"f:tolerations":{}})"},
      {"fields that are gone stay as they are", kPodSpec, R"({"f:gone":{"f:a":{}}})", ""},
  };
  for (const auto& row : kRows) {
    auto fitting = fit_to_schema(shape(row.type), set(row.set));
    EXPECT_EQ(fitting ? fitting->text() : "", row.out) << row.name;
  }
}

TEST(Typed, names_fields_on_the_way) {
  FieldSet s = with_named_fields(shape("core.v1.Pod"), set(R"({"f:metadata":{"f:labels":{"f:a":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{"f:image":{}}}}})"));
  EXPECT_EQ(s.text(), R"({"f:metadata":{".":{},"f:labels":{".":{},"f:a":{}}},"f:spec":{".":{},"f:containers":{".":{},"k:{\"name\":\"c\"}":{"f:image":{}}}}})");
}

}  // namespace
}  // namespace bramble

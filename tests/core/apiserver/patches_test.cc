// Patches that fail, each with upstream's Status (k8s.io/apiserver endpoints/handlers/patch.go).
#include <gmock/gmock.h>

#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

constexpr const char* kSets = "/apis/apps/v1/namespaces/default/deployments";

class Patches : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    auto made = call("POST", kSets, R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{
      "selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},
      "spec":{"containers":[{"name":"a","image":"a:1"},{"name":"b","image":"b:1"}]}}}})");
    ASSERT_EQ(made->status, 201) << made->body;
  }
};

struct Failure {
  const char *name, *type, *body;
  int code;
  const char *reason, *message;
};

constexpr const char* kRejected = "the server rejected our request due to an error in our request";
std::string in_spec(std::string_view pod_spec) { return cat(R"({"spec":{"template":{"spec":)", pod_spec, "}}}"); }

TEST_F(Patches, strategic_failures_have_upstreams_codes) {
  const std::vector<std::tuple<const char*, std::string, int, const char*, std::string>> rows = {
      {"retain keys that are no list", R"({"spec":{"strategy":{"$retainKeys":"type","type":"Recreate"}}})", 400, "BadRequest",
       "invalid patch format of retainKeys"},
      {"a key that is not retained", R"({"spec":{"strategy":{"$retainKeys":["rollingUpdate"],"type":"Recreate"}}})", 400,
       "BadRequest", "invalid patch format of retainKeys"},
      {"deletion without a name", R"({"metadata":{"$deleteFromPrimitiveList":["a"]}})", 400, "BadRequest",
       "invalid patch format of primitive list"},
      {"order without a name", in_spec(R"({"$setElementOrder":[{"name":"a"}]})"), 400, "BadRequest",
       "invalid patch format of setElementOrder list"},
      {"lists in lists", in_spec(R"({"containers":[["a"]]})"), 422, "", kRejected},
      {"an unknown directive", R"({"spec":{"$patch":"zap"}})", 500, "", "unknown patch type: zap in map: map[$patch:zap]"},
      {"no merge key", in_spec(R"({"containers":[{"image":"x"}]})"), 500, "",
       "map: map[image:x] does not contain declared merge key: name"},
      {"an order that is not kept", in_spec(R"({"$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"b"}]})"), 500, "",
       "The order in patch list:\n[map[name:b]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n"},
      {"an order that is no list", in_spec(R"({"$setElementOrder/containers":"a"})"), 500, "",
       "expected a []interface {}, but received a string"},
      {"items of two kinds", in_spec(R"({"containers":[{"name":"a"},"b"]})"), 500, "", "list element types are not identical"},
      {"no object", "[]", 400, "BadRequest", "json: cannot unmarshal array into Go value of type map[string]interface {}"},
      {"no JSON", "{", 400, "BadRequest", "unexpected end of JSON input"},
  };
  for (const auto& [name, body, code, reason, message] : rows) {
    auto answer = patch(cat(kSets, "/d"), body, "strategic-merge-patch");
    EXPECT_EQ(answer->status, code) << name << answer->body;
    EXPECT_EQ(answer->json()["code"].integer(), code) << name;
    EXPECT_EQ(answer->json()["reason"].str(), code == 422 ? "Invalid" : reason) << name;
    EXPECT_THAT(answer->json()["message"].text(), testing::StartsWith(message)) << name;
  }
}

TEST_F(Patches, types_that_do_not_fit_are_worded_by_the_patch) {
  const std::vector<Failure> rows = {
      {"text for a number", "strategic-merge-patch", R"({"spec":{"replicas":"x"}})", 422, "Invalid",
       R"( "" is invalid: patch: Invalid value: "map[spec:map[replicas:x]]": unrecognized type: int32)"},
      {"a number for a text", "strategic-merge-patch", R"({"metadata":{"labels":{"a":1}}})", 422, "Invalid",
       R"( "" is invalid: patch: Invalid value: "map[metadata:map[labels:map[a:1]]]": cannot convert int64 to string)"},
      {"half a replica", "strategic-merge-patch", R"({"spec":{"replicas":1.5}})", 422, "Invalid",
       R"( "" is invalid: patch: Invalid value: "map[spec:map[replicas:1.5]]": cannot convert float64 to int32)"},
      {"a text for a list", "strategic-merge-patch", R"({"spec":{"template":{"spec":{"tolerations":"x"}}}})", 422, "Invalid",
       R"( "" is invalid: patch: Invalid value: "map[spec:map[template:map[spec:map[tolerations:x]]]]": cannot restore slice from string)"},
      {"a list for an object", "strategic-merge-patch", R"({"spec":{"strategy":[]}})", 422, "Invalid",
       R"( "" is invalid: patch: Invalid value: "map[spec:map[strategy:[]]]": cannot restore struct from: slice)"},
      {"merge patch: an array", "merge-patch", "[]", 400, "BadRequest",
       "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"},
      {"merge patch: null", "merge-patch", "null", 400, "BadRequest", "Invalid JSON Patch"},
      {"merge patch: no JSON", "merge-patch", "x", 400, "BadRequest",
       "error decoding patch: invalid character 'x' looking for beginning of value"},
      {"JSON patch: an object", "json-patch", "{}", 400, "BadRequest",
       "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"},
      {"JSON patch: a number for an operation", "json-patch", "[1]", 400, "BadRequest",
       "error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp"},
      {"JSON patch: a number for a path", "json-patch", R"([{"op":"remove","path":1}])", 400, "BadRequest",
       "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.path of type string"},
      {"JSON patch: a test that fails", "json-patch", R"([{"op":"test","path":"/spec/replicas","value":9}])", 422, "Invalid", kRejected},
  };
  for (const Failure& row : rows) {
    auto answer = patch(cat(kSets, "/d"), row.body, row.type);
    EXPECT_EQ(answer->status, row.code) << row.name << answer->body;
    EXPECT_EQ(answer->json()["reason"].str(), row.reason) << row.name;
    EXPECT_EQ(answer->json()["message"].str(), row.message) << row.name;
  }
}

TEST_F(Patches, too_many_operations_are_413) {
  std::string many = "[";
  for (int i = 0; i < 10001; ++i) many += cat(i ? "," : "", R"({"op":"remove","path":"/x"})");
  auto answer = patch(cat(kSets, "/d"), many + "]", "json-patch");
  EXPECT_EQ(answer->status, 413);
  EXPECT_EQ(answer->json()["reason"].str(), "RequestEntityTooLarge");
  EXPECT_EQ(answer->json()["message"].str(),
            "Request entity is too large: The allowed maximum operations in a JSON patch is 10000, got 10001");
}

TEST_F(Patches, what_a_patch_has_too_much_is_warned_of_or_refused) {
  struct Row {
    const char *name, *type, *body, *warning;
  };
  const std::vector<Row> rows = {
      {"unknown, strategic", "strategic-merge-patch", R"({"spec":{"zz":1,"foo":1}})", R"(unknown field "spec.foo")"},
      {"repeated, strategic", "strategic-merge-patch", R"({"spec":{"replicas":3,"replicas":2}})", R"(duplicate field "spec.replicas")"},
      {"repeated, merge", "merge-patch", R"({"spec":{"replicas":3,"replicas":4}})", R"(duplicate field "spec.replicas")"},
      {"unknown, JSON", "json-patch", R"([{"op":"add","path":"/spec/replicas","value":5,"foo":1}])",
       R"(json patch unknown field "[0].foo")"},
      {"repeated, JSON", "json-patch", R"([{"op":"add","op":"add","path":"/spec/replicas","value":6}])",
       R"(json patch duplicate field "[0].op")"},
  };
  for (const Row& row : rows) {
    auto refused = patch(cat(kSets, "/d?fieldValidation=Strict"), row.body, row.type);
    EXPECT_EQ(refused->status, 422) << row.name;
    EXPECT_THAT(refused->json()["message"].text(), testing::HasSubstr(cat("strict decoding error: ", row.warning))) << row.name;
    auto warned = patch(cat(kSets, "/d"), row.body, row.type);
    EXPECT_EQ(warned->status, 200) << row.name << warned->body;
    std::string escaped;
    for (char c : std::string_view(row.warning)) escaped += c == '"' ? std::string("\\\"") : std::string(1, c);
    EXPECT_EQ(warned->header("warning"), cat("299 - \"", escaped, "\"")) << row.name;
    EXPECT_EQ(patch(cat(kSets, "/d?fieldValidation=Ignore"), row.body, row.type)->header("warning"), "") << row.name;
  }
  EXPECT_EQ(call("GET", cat(kSets, "/d"))->json()["spec"]["replicas"].integer(), 6);
}

TEST_F(Patches, of_repeated_keys_the_last_counts) {
  auto answer = patch(cat(kSets, "/d"), R"({"spec":{"replicas":7},"spec":{"paused":true}})", "strategic-merge-patch");
  EXPECT_EQ(answer->json()["spec"]["replicas"].integer(), 1);
  EXPECT_TRUE(answer->json()["spec"]["paused"].boolean());
}

TEST_F(Patches, the_kind_of_a_strategic_patch_is_ignored_and_of_a_merge_patch_refused) {
  EXPECT_EQ(patch(cat(kSets, "/d"), R"({"kind":"ReplicaSet"})", "strategic-merge-patch")->status, 200);
  auto refused = patch(cat(kSets, "/d"), R"({"kind":"Foo"})", "merge-patch");
  EXPECT_EQ(refused->status, 422);
  EXPECT_THAT(refused->json()["message"].text(), testing::HasSubstr(R"(no kind "Foo" is registered for version "apps/v1")"));
}

TEST_F(Patches, of_nothing_is_404_before_it_is_read) {
  EXPECT_EQ(patch(cat(kSets, "/nope"), "{", "merge-patch")->status, 404);
}

}  // namespace
}  // namespace bramble

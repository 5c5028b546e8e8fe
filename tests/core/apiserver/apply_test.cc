// Server-side apply and managedFields over the API.
#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

constexpr std::string_view kDeployments = "/apis/apps/v1/namespaces/default/deployments";

class Apply : public ApiTest {
 protected:
  // Applies a body (JSON is YAML) as a manager.
  std::shared_ptr<KeptAnswer> apply(std::string_view path, std::string_view manager, std::string body, std::string_view more = {}) {
    return call("PATCH", cat(path, "?fieldManager=", manager, more), std::move(body), {{"content-type", "application/apply-patch+yaml"}});
  }
  std::shared_ptr<KeptAnswer> as(std::string_view agent, std::string method, std::string_view path, std::string body, std::string_view type = "application/json") {
    return call(std::move(method), std::string(path), std::move(body), {{"content-type", std::string(type)}, {"user-agent", std::string(agent)}});
  }
  // "manager operation version subresource fields" of each entry, times left out.
  static std::string owners(const Document& object) {
    std::string out;
    for (Value e : object["metadata"]["managedFields"].items()) {
      out += cat(out.empty() ? "" : "\n", e["manager"].str(), " ", e["operation"].str(), " ", e["apiVersion"].str(), " ", e["subresource"].str(), " ",
                 e["fieldsV1"].dump());
    }
    return out;
  }
  static std::string map(std::string_view data, std::string_view more = {}) {
    return cat(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c")", more, R"(},"data":)", data, "}");
  }
  static std::string deployment(std::string_view spec, std::string_view more = {}) {
    return cat(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d")", more, R"(},"spec":)", spec, "}");
  }
  static constexpr const char* kSpec =
      R"({"replicas":2,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i:1"}]}}})";
  std::string c = cat(kMaps, "/c"), d = cat(kDeployments, "/d");
};

TEST_F(Apply, creates_and_then_changes_nothing) {
  auto made = apply(c, "one", map(R"({"a":"1"})"));
  EXPECT_EQ(made->status, 201) << made->body;
  EXPECT_EQ(owners(made->json()), R"(one Apply v1  {"f:data":{"f:a":{}}})");
  Document answer = made->json();
  Value entry = answer["metadata"]["managedFields"].item(0);
  EXPECT_EQ(entry["fieldsType"].str(), "FieldsV1");
  EXPECT_EQ(entry["time"].str(), clock.now_rfc3339());
  const std::string version(version_of(made->json()));
  clock.advance_us(5'000'000);
  auto again = apply(c, "one", map(R"({"a":"1"})"));
  EXPECT_EQ(again->status, 200);
  EXPECT_EQ(again->body, made->body);
  EXPECT_EQ(version_of(call("GET", c)->json()), version);
}

TEST_F(Apply, conflicts_name_the_manager_and_the_field) {
  apply(c, "one", map(R"({"a":"1","b":"1"})"));
  auto refused = apply(c, "two", map(R"({"b":"9"})"));
  EXPECT_EQ(refused->status, 409);
  EXPECT_EQ(refused->body,
            R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Apply failed with 1 conflict: conflict with \"one\": .data.b","reason":"Conflict",)"
            R"("details":{"causes":[{"reason":"FieldManagerConflict","message":"conflict with \"one\"","field":".data.b"}]},"code":409})");
  as("kubectl/v1.36 (linux)", "PUT", c, map(R"({"a":"2","b":"1","z":"1"})"));
  refused = apply(c, "two", map(R"({"a":"3","b":"9","z":"3"})"));
  EXPECT_EQ(refused->json()["message"].str(),
            "Apply failed with 3 conflicts: conflicts with \"kubectl\" using v1:\n- .data.a\n- .data.z\nconflicts with \"one\":\n- .data.b");
  EXPECT_EQ(refused->json()["details"]["causes"].size(), 3u);
  auto forced = apply(c, "two", map(R"({"a":"3","b":"9","z":"3"})"), "&force=true");
  EXPECT_EQ(forced->status, 200);
  EXPECT_EQ(owners(forced->json()), R"(two Apply v1  {"f:data":{"f:a":{},"f:b":{},"f:z":{}}})");
}

TEST_F(Apply, what_only_the_applier_owned_goes) {
  apply(c, "one", map(R"({"a":"1","b":"1"})", R"(,"labels":{"l":"1"})"));
  apply(c, "two", map(R"({"b":"1"})"));
  auto next = apply(c, "one", map(R"({"c":"1"})"));
  EXPECT_EQ(next->json()["data"].dump(), R"({"b":"1","c":"1"})");
  EXPECT_FALSE(next->json()["metadata"].has("labels"));
  // An apply that changed nothing has no time, and such entries go first.
  EXPECT_EQ(owners(next->json()), "two Apply v1  {\"f:data\":{\"f:b\":{}}}\none Apply v1  {\"f:data\":{\"f:c\":{}}}");
}

TEST_F(Apply, lists_by_key_keep_their_other_items) {
  EXPECT_EQ(apply(d, "one", deployment(kSpec))->status, 201);
  auto two = apply(d, "two", deployment(R"({"template":{"spec":{"containers":[{"name":"e","image":"j:1"},{"name":"c","env":[{"name":"A","value":"1"}]}]}}})"));
  ASSERT_EQ(two->status, 200) << two->body;
  Document object = two->json();
  ASSERT_EQ(object["spec"]["template"]["spec"]["containers"].size(), 2u);
  EXPECT_EQ(object["metadata"]["generation"].integer(), 2);
  auto refused = apply(d, "two", deployment(R"({"template":{"spec":{"containers":[{"name":"c","image":"i:2"}]}}})"));
  EXPECT_EQ(refused->json()["message"].str(), R"(Apply failed with 1 conflict: conflict with "one": .spec.template.spec.containers[name="c"].image)");
  // Without replicas the default comes back, and nobody owns it.
  auto dropped = apply(d, "one", deployment(R"({"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i:1"}]}}})"));
  EXPECT_EQ(dropped->json()["spec"]["replicas"].integer(), 1);
  EXPECT_EQ(owners(dropped->json()).find("f:replicas"), std::string::npos);
  auto gone = apply(d, "two", deployment("{}"));
  EXPECT_EQ(gone->json()["spec"]["template"]["spec"]["containers"].size(), 1u);
  EXPECT_FALSE(gone->json()["spec"]["template"]["spec"]["containers"].item(0).has("env"));
}

TEST_F(Apply, writes_are_tracked_by_user_agent_field_manager_and_subresource) {
  auto made = as("kubectl/v1.36.0 (linux/amd64) kubernetes/abc", "POST", kDeployments, deployment(kSpec));
  ASSERT_EQ(made->status, 201) << made->body;
  EXPECT_EQ(owners(made->json()),
            R"(kubectl Update apps/v1  {"f:spec":{"f:progressDeadlineSeconds":{},"f:replicas":{},"f:revisionHistoryLimit":{},"f:selector":{},)"
            R"("f:strategy":{"f:rollingUpdate":{".":{},"f:maxSurge":{},"f:maxUnavailable":{}},"f:type":{}},)"
            R"("f:template":{"f:metadata":{"f:labels":{".":{},"f:a":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{},)"
            R"("f:imagePullPolicy":{},"f:name":{},"f:resources":{},"f:terminationMessagePath":{},"f:terminationMessagePolicy":{}}},)"
            R"("f:dnsPolicy":{},"f:restartPolicy":{},"f:schedulerName":{},"f:securityContext":{},"f:terminationGracePeriodSeconds":{}}}}})");
  auto status = as("manager/1", "PATCH", cat(d, "/status"), R"({"status":{"replicas":2},"spec":{"replicas":9}})", "application/merge-patch+json");
  EXPECT_EQ(owners(status->json()).substr(owners(status->json()).rfind('\n') + 1), R"(manager Update apps/v1 status {"f:status":{"f:replicas":{}}})");
  auto labelled = call("PATCH", cat(d, "?fieldManager=me"), R"({"metadata":{"annotations":{"x":"1"}}})", {{"content-type", "application/merge-patch+json"}, {"user-agent", "kubectl/1"}});
  EXPECT_NE(owners(labelled->json()).find(R"(me Update apps/v1  {"f:metadata":{"f:annotations":{".":{},"f:x":{}}}})"), std::string::npos);
  // Nothing changes: nobody new appears, no time moves.
  clock.advance_us(5'000'000);
  auto same = as("other/1", "PATCH", d, R"({"metadata":{"annotations":{"x":"1"}}})", "application/merge-patch+json");
  EXPECT_EQ(same->body, labelled->body);
  auto nameless = call("PUT", cat(kMaps, "/nobody"), map("{}"));
  EXPECT_EQ(nameless->status, 400);
  nameless = call("POST", std::string(kMaps), config_map("nobody"), {{"content-type", "application/json"}});
  EXPECT_EQ(nameless->json()["metadata"]["managedFields"].item(0)["manager"].str(), "unknown");
}

TEST_F(Apply, time_is_of_the_last_change_by_a_manager) {
  as("a/1", "POST", kMaps, map(R"({"a":"1"})"));
  const std::string first = clock.now_rfc3339();
  clock.advance_us(60'000'000);
  Document object = as("b/1", "PATCH", c, R"({"data":{"b":"1"}})", "application/merge-patch+json")->json();
  EXPECT_EQ(object["metadata"]["managedFields"].item(0)["time"].str(), first);
  EXPECT_EQ(object["metadata"]["managedFields"].item(1)["time"].str(), clock.now_rfc3339());
}

TEST_F(Apply, status_and_scale_have_owners_of_their_own) {
  apply(d, "one", deployment(kSpec));
  auto status = apply(cat(d, "/status"), "ctrl", R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{"replicas":7},"status":{"conditions":[{"type":"Available","status":"True"}]}})");
  ASSERT_EQ(status->status, 200) << status->body;
  EXPECT_EQ(status->json()["spec"]["replicas"].integer(), 2);
  EXPECT_EQ(owners(status->json()).substr(0, owners(status->json()).find('\n')),
            R"(ctrl Apply apps/v1 status {"f:status":{"f:conditions":{"k:{\"type\":\"Available\"}":{".":{},"f:status":{},"f:type":{}}}}})");
  auto refused = apply(cat(d, "/status"), "ctrl2", R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"status":{"conditions":[{"type":"Available","status":"False"}]}})");
  EXPECT_EQ(refused->json()["message"].str(), R"(Apply failed with 1 conflict: conflict with "ctrl" with subresource "status": .status.conditions[type="Available"].status)");
  EXPECT_EQ(apply(cat(kDeployments, "/none/status"), "ctrl", R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"none"}})")->status, 404);

  const std::string scale = R"({"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"d"},"spec":{"replicas":5}})";
  refused = apply(cat(d, "/scale"), "hpa", scale);
  EXPECT_EQ(refused->json()["message"].str(), R"(Apply failed with 1 conflict: conflict with "one": .spec.replicas)");
  auto forced = apply(cat(d, "/scale"), "hpa", scale, "&force=true");
  ASSERT_EQ(forced->status, 200) << forced->body;
  EXPECT_EQ(forced->json()["kind"].str(), "Scale");
  Document object = call("GET", d)->json();
  EXPECT_EQ(object["spec"]["replicas"].integer(), 5);
  EXPECT_EQ(owners(object).substr(0, owners(object).find('\n')), R"(hpa Apply apps/v1 scale {"f:spec":{"f:replicas":{}}})");
  EXPECT_EQ(owners(object).find("f:replicas"), owners(object).rfind("f:replicas"));
  EXPECT_EQ(apply(d, "one", deployment(kSpec))->json()["message"].str(),
            R"(Apply failed with 1 conflict: conflict with "hpa" with subresource "scale": .spec.replicas)");
  auto put = as("kubectl/1", "PATCH", cat(d, "/scale"), R"({"spec":{"replicas":3}})", "application/merge-patch+json");
  ASSERT_EQ(put->status, 200) << put->body;
  EXPECT_NE(owners(call("GET", d)->json()).find(R"(kubectl Update apps/v1 scale {"f:spec":{"f:replicas":{}}})"), std::string::npos);
}

TEST_F(Apply, refuses_what_is_no_apply_patch) {
  call("POST", std::string(kMaps), config_map("c"));
  const struct {
    const char *name, *target, *body;
    int status;
    const char* message;
  } kRows[] = {
      {"no manager", "?", "{}", 422, R"(PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch)"},
      {"unprintable manager", "?fieldManager=a%07b", "{}", 422,
       R"(PatchOptions.meta.k8s.io "" is invalid: fieldManager: Invalid value: "a\ab": invalid character U+0007 (at position 1))"},
      {"nothing", "?fieldManager=x", "", 400, "invalid object type: /, Kind="},
      {"a list", "?fieldManager=x", "[]", 400,
       "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}"},
      {"another version", "?fieldManager=x", R"({"apiVersion":"apps/v2","kind":"ConfigMap"})", 400, "invalid object type: apps/v2, Kind=ConfigMap"},
      {"a malformed version", "?fieldManager=x", R"({"apiVersion":"a/b/c","kind":"ConfigMap"})", 400, "invalid object type: /, Kind="},
      {"an unknown field", "?fieldManager=x", R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"default"},"zz":1})", 500,
       "failed to create typed patch object (default/c; /v1, Kind=ConfigMap): .zz: field not declared in schema"},
      {"managed fields", "?fieldManager=x", R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","managedFields":[]}})", 400, "metadata.managedFields must be nil"},
      {"another name", "?fieldManager=x", R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"d"}})", 400,
       "the name of the object (d) does not match the name on the URL (c)"},
      {"another namespace", "?fieldManager=x", R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"other"}})", 400,
       "the namespace of the provided object does not match the namespace sent on the request"},
      {"a key twice", "?fieldManager=x&fieldValidation=Strict", "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: b\n  a: c\n", 400,
       "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  line 5: key \"a\" already set in map"},
      {"an old version", "?fieldManager=x", R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","resourceVersion":"1"},"data":{"q":"1"}})", 409,
       R"(Operation cannot be fulfilled on configmaps "c": the object has been modified; please apply your changes to the latest version and try again)"},
  };
  for (const auto& row : kRows) {
    auto refused = call("PATCH", cat(c, row.target), row.body, {{"content-type", "application/apply-patch+yaml"}});
    EXPECT_EQ(refused->status, row.status) << row.name << ": " << refused->body;
    EXPECT_EQ(refused->json()["message"].str(), row.message) << row.name;
  }
  auto uid = apply(cat(kMaps, "/new"), "x", R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"new","uid":"u"}})");
  EXPECT_EQ(uid->json()["message"].str(),
            R"(Operation cannot be fulfilled on configmaps "new": uid mismatch: the provided object specified uid u, and no existing object was found)");
  auto cbor = call("PATCH", c, "{}", {{"content-type", "application/apply-patch+cbor"}});
  EXPECT_EQ(cbor->status, 415);
  EXPECT_NE(cbor->body.find("application/strategic-merge-patch+json, application/apply-patch+yaml\""), std::string::npos) << cbor->body;
  auto last = apply(c, "x", "apiVersion: v1\nkind: ConfigMap\ndata:\n  q: b\n  q: c\n");
  EXPECT_EQ(last->json()["data"]["q"].str(), "c");
  auto quantity = apply(cat(kPods, "/p"), "x", R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":"x"}}}]}})");
  EXPECT_EQ(quantity->json()["message"].str(),
            "failed to convert new object (/p; /v1, Kind=Pod) to proper version: quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
}

TEST_F(Apply, tracking_ends_and_begins_again) {
  as("a/1", "POST", kMaps, map(R"({"a":"1"})"));
  for (const char* reset : {"[]", "[{}]"}) {
    auto done = as("a/1", "PATCH", c, cat(R"({"metadata":{"managedFields":)", reset, "}}"), "application/merge-patch+json");
    EXPECT_FALSE(done->json()["metadata"].has("managedFields")) << reset;
  }
  auto quiet = as("b/1", "PATCH", c, R"({"data":{"b":"1"}})", "application/merge-patch+json");
  EXPECT_FALSE(quiet->json()["metadata"].has("managedFields"));
  EXPECT_EQ(apply(c, "one", map(R"({"a":"4"})"))->json()["message"].str(), R"(Apply failed with 1 conflict: conflict with "before-first-apply" using v1: .data.a)");
  auto shared = apply(c, "one", map(R"({"a":"1"})"));
  EXPECT_EQ(owners(shared->json()), "one Apply v1  {\"f:data\":{\"f:a\":{}}}\nbefore-first-apply Update v1  {\"f:data\":{\".\":{},\"f:a\":{},\"f:b\":{}}}");
  // Whoever sends none, or some that cannot be read, loses none.
  auto put = as("c/1", "PUT", c, map(R"({"a":"1","b":"2"})", R"(,"managedFields":[{"manager":"x"}])"));
  EXPECT_EQ(put->json()["metadata"]["managedFields"].size(), 3u) << put->body;
  // Who sends some that can, sets them.
  put = as("c/1", "PUT", c, map(R"({"a":"1","b":"2"})", R"(,"managedFields":[{"manager":"x","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:a":{}}}}])"));
  EXPECT_EQ(owners(put->json()), R"(x Update v1  {"f:data":{"f:a":{}}})");
}

TEST_F(Apply, the_oldest_updaters_are_put_together) {
  as("m0/1", "POST", kMaps, map(R"({"k0":"1"})"));
  for (int i = 1; i <= 12; ++i) {
    clock.advance_us(1'000'000);
    as(cat("m", i, "/1"), "PATCH", c, cat(R"({"data":{"k)", i, R"(":"1"}})"), "application/merge-patch+json");
  }
  Document object = call("GET", c)->json();
  ASSERT_EQ(object["metadata"]["managedFields"].size(), 10u);
  EXPECT_EQ(owners(object).substr(0, owners(object).find('\n')), R"(ancient-changes Update v1  {"f:data":{".":{},"f:k0":{},"f:k1":{},"f:k2":{},"f:k3":{}}})");
}

TEST_F(Apply, takes_over_from_kubectls_own_apply) {
  const std::string last = R"(,"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c\"},\"data\":{\"a\":\"1\",\"b\":\"1\"}}\n"})";
  call("POST", cat(kMaps, "?fieldManager=kubectl-client-side-apply"), map(R"({"a":"1","b":"1"})", last));
  as("other/1", "PATCH", c, R"({"data":{"b":"7"}})", "application/merge-patch+json");
  // b is no longer as kubectl applied it: a true conflict. a is.
  EXPECT_EQ(apply(c, "kubectl", map(R"({"a":"2","b":"2"})"))->json()["message"].str(), R"(Apply failed with 1 conflict: conflict with "other" using v1: .data.b)");
  EXPECT_EQ(apply(c, "somebody", map(R"({"a":"2"})"))->json()["message"].str(),
            R"(Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .data.a)");
  auto taken = apply(c, "kubectl", map(R"({"a":"2"})"));
  ASSERT_EQ(taken->status, 200) << taken->body;
  EXPECT_EQ(taken->json()["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"].str(),
            "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"2\"},\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c\"}}\n");
}

TEST_F(Apply, dry_run_shows_and_writes_nothing) {
  auto shown = apply(c, "one", map(R"({"a":"1"})"), "&dryRun=All");
  EXPECT_EQ(shown->status, 201) << shown->body;
  EXPECT_EQ(owners(shown->json()), R"(one Apply v1  {"f:data":{"f:a":{}}})");
  EXPECT_EQ(call("GET", c)->status, 404);
}

TEST_F(Apply, managers_of_versions_that_are_gone_are_forgotten) {
  as("a/1", "POST", kMaps, map(R"({"a":"1"})"));
  auto put = as("a/1", "PUT", c, map(R"({"a":"1"})", R"(,"managedFields":[{"manager":"x","operation":"Update","apiVersion":"v0","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:a":{}}}}])"));
  EXPECT_FALSE(put->json()["metadata"].has("managedFields")) << put->body;
}

TEST_F(Apply, managers_of_another_version_see_the_object_in_theirs) {
  auto made = as("a/1", "POST", "/apis/events.k8s.io/v1/namespaces/default/events",
                 R"({"metadata":{"name":"e"},"regarding":{"namespace":"default","name":"p","kind":"Pod"},"reason":"R","note":"n","type":"Normal",)"
                 R"("eventTime":"2026-01-02T03:04:05.000000Z","action":"A","reportingController":"example.com/c","reportingInstance":"i"})");
  ASSERT_EQ(made->status, 201) << made->body;
  EXPECT_EQ(owners(made->json()), R"(a Update events.k8s.io/v1  {"f:action":{},"f:eventTime":{},"f:note":{},"f:reason":{},"f:regarding":{},)"
                                  R"("f:reportingController":{},"f:reportingInstance":{},"f:type":{}})");
  auto told = as("b/1", "PATCH", "/api/v1/namespaces/default/events/e", R"({"message":"m"})", "application/merge-patch+json");
  ASSERT_EQ(told->status, 200) << told->body;
  EXPECT_EQ(owners(told->json()), "a Update events.k8s.io/v1  {\"f:action\":{},\"f:eventTime\":{},\"f:reason\":{},\"f:regarding\":{},"
                                  "\"f:reportingController\":{},\"f:reportingInstance\":{},\"f:type\":{}}\n"
                                  "b Update v1  {\"f:message\":{}}");
}

TEST_F(Apply, versions_that_shape_an_object_differently_meet_in_conflicts) {
  const std::string v1 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/h", v2 = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/h";
  auto body = [](std::string_view version, std::string_view spec) {
    return cat(R"({"apiVersion":"autoscaling/)", version, R"(","kind":"HorizontalPodAutoscaler","metadata":{"name":"h"},"spec":{)", spec, "}}");
  };
  auto share = [](int percent) { return cat(R"("metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":)", percent, "}}}]"); };
  const std::string target = R"("scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"d"})";
  auto made = apply(v1, "old", body("v1", cat(target, R"(,"maxReplicas":3,"targetCPUUtilizationPercentage":50)")));
  ASSERT_EQ(made->status, 201) << made->body;
  auto told = as("b/1", "PATCH", v2, R"({"spec":{"maxReplicas":5}})", "application/merge-patch+json");
  ASSERT_EQ(told->status, 200) << told->body;
  EXPECT_EQ(owners(told->json()), "old Apply autoscaling/v1  {\"f:spec\":{\"f:scaleTargetRef\":{},\"f:targetCPUUtilizationPercentage\":{}}}\n"
                                  "b Update autoscaling/v2  {\"f:spec\":{\"f:maxReplicas\":{}}}");
  auto refused = apply(v2, "new", body("v2", cat(target, ",", share(60))));
  EXPECT_EQ(refused->json()["message"].str(), R"(Apply failed with 1 conflict: conflict with "old": .spec.targetCPUUtilizationPercentage)");
  auto forced = apply(v2, "new", body("v2", cat(target, ",", share(60))), "&force=true");
  ASSERT_EQ(forced->status, 200) << forced->body;
  EXPECT_EQ(owners(forced->json()), "new Apply autoscaling/v2  {\"f:spec\":{\"f:metrics\":{},\"f:scaleTargetRef\":{\"f:apiVersion\":{},\"f:kind\":{},\"f:name\":{}}}}\n"
                                    "old Apply autoscaling/v1  {\"f:spec\":{\"f:scaleTargetRef\":{}}}\n"
                                    "b Update autoscaling/v2  {\"f:spec\":{\"f:maxReplicas\":{}}}")
      << "the reference is atomic in v1 alone";
  EXPECT_EQ(call("GET", v1)->json()["spec"]["targetCPUUtilizationPercentage"].integer(), 60);
}

TEST_F(Apply, an_empty_list_that_is_always_written_is_owned) {
  auto made = as("a/1", "POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", R"({"metadata":{"name":"r"},"rules":[]})");
  EXPECT_EQ(owners(made->json()), R"(a Update rbac.authorization.k8s.io/v1  {"f:rules":{}})");
  EXPECT_TRUE(made->json()["rules"].is_null()) << made->body;
  made = as("a/1", "POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", R"({"metadata":{"name":"s"}})");
  EXPECT_EQ(owners(made->json()), "");
}

TEST_F(Apply, parts_of_the_server_write_under_upstreams_names) {
  Document object = call("GET", "/api/v1/namespaces/default")->json();
  EXPECT_EQ(owners(object), R"(kube-apiserver Update v1  {"f:metadata":{"f:labels":{".":{},"f:kubernetes.io/metadata.name":{}}}})");
}

}  // namespace
}  // namespace bramble

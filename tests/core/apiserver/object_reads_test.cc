#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

using ObjectReads = ApiTest;

TEST_F(ObjectReads, list_joins_objects_without_kind_and_version) {
  call("POST", std::string(kMaps), config_map("a"));
  call("POST", std::string(kMaps), config_map("b"));
  Document d = call("GET", std::string(kMaps))->json();
  EXPECT_EQ(d["kind"].str(), "ConfigMapList");
  ASSERT_EQ(d["items"].size(), 2u);
  EXPECT_FALSE(d["items"].item(0).has("kind"));
  EXPECT_EQ(meta(d["items"].item(1), "name"), "b");
  EXPECT_EQ(d["metadata"]["resourceVersion"].str(), cat(cache.revision()));
}

TEST_F(ObjectReads, pages_show_the_state_of_the_first_page) {
  for (const char* n : {"a", "b", "c", "d"}) call("POST", std::string(kMaps), config_map(n));
  Document first = call("GET", cat(kMaps, "?limit=2"))->json();
  EXPECT_EQ(first["metadata"]["remainingItemCount"].integer(), 2);
  call("DELETE", cat(kMaps, "/c"));
  call("POST", std::string(kMaps), config_map("bb"));
  Document second = call("GET", cat(kMaps, "?limit=2&continue=", first["metadata"]["continue"].str()))->json();
  ASSERT_EQ(second["items"].size(), 2u);
  EXPECT_EQ(meta(second["items"].item(0), "name"), "c");
  EXPECT_EQ(meta(second["items"].item(1), "name"), "d");
  EXPECT_EQ(second["metadata"]["resourceVersion"].str(), first["metadata"]["resourceVersion"].str());
  EXPECT_FALSE(second["metadata"].has("continue"));
}

TEST_F(ObjectReads, a_page_that_is_too_old_gives_410_and_an_inconsistent_token) {
  for (const char* n : {"a", "b", "c"}) call("POST", std::string(kMaps), config_map(n));
  Document first = call("GET", cat(kMaps, "?limit=1"))->json();
  call("POST", std::string(kMaps), config_map("y"));
  clock.advance_us(10 * 60 * 1000000LL);
  call("POST", std::string(kMaps), config_map("z"));
  auto expired = call("GET", cat(kMaps, "?limit=1&continue=", first["metadata"]["continue"].str()));
  EXPECT_EQ(expired->status, 410);
  EXPECT_EQ(expired->json()["reason"].str(), "Expired");
  std::string token = expired->json()["metadata"]["continue"].text();
  ASSERT_FALSE(token.empty());
  Document rest = call("GET", cat(kMaps, "?continue=", token))->json();
  EXPECT_EQ(rest["items"].size(), 4u);
}

TEST_F(ObjectReads, selectors_choose) {
  call("POST", std::string(kMaps), config_map("a", "{}", R"({"x":"1"})"));
  call("POST", std::string(kMaps), config_map("b", "{}", R"({"x":"2"})"));
  EXPECT_EQ(call("GET", cat(kMaps, "?labelSelector=x%3D1"))->json()["items"].size(), 1u);
  EXPECT_EQ(call("GET", cat(kMaps, "?labelSelector=x+in+(1,2)"))->json()["items"].size(), 2u);
  EXPECT_EQ(call("GET", cat(kMaps, "?fieldSelector=metadata.name%3Db"))->json()["items"].size(), 1u);
  auto bad = call("GET", cat(kMaps, "?fieldSelector=data%3Dx"));
  EXPECT_EQ(bad->status, 400);
  EXPECT_EQ(bad->json()["message"].str(), "\"data\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"");
}

TEST_F(ObjectReads, exact_version_shows_the_past) {
  call("POST", std::string(kMaps), config_map("a"));
  std::string version = call("GET", std::string(kMaps))->json()["metadata"]["resourceVersion"].text();
  call("POST", std::string(kMaps), config_map("b"));
  Document past = call("GET", cat(kMaps, "?resourceVersionMatch=Exact&resourceVersion=", version))->json();
  EXPECT_EQ(past["items"].size(), 1u);
  EXPECT_EQ(past["metadata"]["resourceVersion"].str(), version);
}

TEST_F(ObjectReads, a_version_that_is_not_reached_times_out) {
  auto a = call("GET", cat(kMaps, "?resourceVersion=999999"));
  EXPECT_EQ(a->status, 504);
  EXPECT_EQ(a->json()["details"]["causes"].item(0)["reason"].str(), "ResourceVersionTooLarge");
}

TEST_F(ObjectReads, tables_have_columns_and_partial_objects) {
  call("POST", std::string(kMaps), config_map("a"));
  Document t = call("GET", std::string(kMaps), "", {{"accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}})->json();
  EXPECT_EQ(t["kind"].str(), "Table");
  EXPECT_EQ(t["columnDefinitions"].item(1)["name"].str(), "Data");
  EXPECT_EQ(t["rows"].item(0)["object"]["kind"].str(), "PartialObjectMetadata");
  Document bare = call("GET", cat(kMaps, "/a?includeObject=None"), "", {{"accept", "application/json;as=Table;v=v1;g=meta.k8s.io"}})->json();
  EXPECT_TRUE(bare["rows"].item(0)["object"].is_null());
}

TEST_F(ObjectReads, what_cannot_be_shown_is_406) {
  EXPECT_EQ(call("GET", std::string(kMaps), "", {{"accept", "text/html"}})->status, 406);
  EXPECT_EQ(call("GET", std::string(kMaps), "", {{"accept", "application/vnd.kubernetes.protobuf,application/json"}})->status, 200);
}

// For people: upstream breaks lines for ?pretty, and for curl, Wget and browsers.
TEST_F(ObjectReads, json_has_lines_for_people) {
  call("POST", std::string(kMaps), config_map("a", R"({"x":"a \\\" {,:[1]"})"));
  const std::string path = cat(kMaps, "/a");
  const std::string plain = call("GET", path)->body;
  EXPECT_EQ(plain.find('\n'), std::string::npos);
  for (const char* client : {"curl/7.88.1", "Wget/1.21", "Mozilla/5.0 (X11)"}) {
    const std::string body = call("GET", path, "", {{"user-agent", client}})->body;
    EXPECT_TRUE(body.starts_with("{\n  \"kind\": \"ConfigMap\",\n  \"apiVersion\": \"v1\",\n")) << client << body;
    EXPECT_NE(body.find("\n    \"x\": \"a \\\\\\\" {,:[1]\"\n  }\n}"), std::string::npos) << body;
    EXPECT_TRUE(equal(Document::parse(body).value().root(), Document::parse(plain).value().root()));
  }
  EXPECT_EQ(call("GET", cat(path, "?pretty=false"), "", {{"user-agent", "curl/7"}})->body, plain);
  EXPECT_NE(call("GET", cat(path, "?pretty=true"))->body, plain);
  EXPECT_EQ(call("GET", cat(kMaps, "/none"), "", {{"user-agent", "curl/7"}})->body.substr(0, 4), "{\n  ");
  EXPECT_NE(call("GET", cat(kMaps, "?fieldSelector=metadata.name%3Dnone&pretty=1"))->body.find("\"items\": []"), std::string::npos);
  EXPECT_EQ(call("GET", "/version")->body.substr(0, 4), "{\n  ");
}

TEST_F(ObjectReads, export_is_no_more) {
  call("POST", std::string(kMaps), config_map("a"));
  auto answer = call("GET", cat(kMaps, "/a?export=true"));
  EXPECT_EQ(answer->status, 400);
  EXPECT_EQ(answer->json()["message"].str(), "the export parameter, deprecated since v1.14, is no longer supported");
  EXPECT_EQ(call("GET", cat(kMaps, "/a?export=false"))->status, 200);
}

TEST_F(ObjectReads, unknown_paths_are_404_each_in_its_way) {
  struct Row {
    const char* path;
    int status;
    bool text;
  };
  for (const Row& row : {Row{"/nope", 404, true}, Row{"/apis/nope.example.com/v1/x", 404, true}, Row{"/apis/apps/v9/deployments", 404, false},
                         Row{"/api/v1/foos", 404, false}, Row{"/api/v1/pods/x", 404, false}, Row{"/api/v1/namespaces/default/nodes", 404, false},
                         Row{"/api/v1/namespaces/default/pods/x/nope", 404, false}}) {
    auto a = call("GET", row.path);
    EXPECT_EQ(a->status, row.status) << row.path;
    EXPECT_EQ(a->body == "404 page not found\n", row.text) << row.path;
  }
}

TEST_F(ObjectReads, methods_that_a_path_does_not_know_are_405_with_a_status) {
  ASSERT_EQ(call("POST", std::string(kPods), pod("x"))->status, 201);
  struct Row {
    const char *method, *path;
    int status;
  };
  const Row rows[] = {
      {"FOO", "/api/v1/namespaces/default/pods", 405},
      {"get", "/api/v1/namespaces/default/pods", 405},
      {"OPTIONS", "/api/v1/namespaces/default/pods", 405},
      {"FOO", "/api/v1/namespaces/default/pods/x", 405},
      {"PUT", "/api/v1/namespaces/default/pods", 405},
      {"PATCH", "/api/v1/namespaces/default/pods", 405},
      {"POST", "/api/v1/namespaces/default/pods/x", 405},
      {"POST", "/api/v1/namespaces/default/pods/x/status", 405},
      {"DELETE", "/api/v1/namespaces/default/pods/x/status", 405},
      {"GET", "/api/v1/namespaces/default/pods/x/binding", 405},
      {"PUT", "/api/v1/namespaces/default/pods/x/binding", 405},
      {"POST", "/api/v1/namespaces/default/pods/x/log", 405},
      {"POST", "/api/v1/pods", 405},
      {"DELETE", "/api/v1/pods", 405},
      {"PUT", "/api/v1/namespaces", 405},
      {"DELETE", "/api/v1/namespaces", 405},
      {"GET", "/api/v1/namespaces/default/bindings", 405},
      {"DELETE", "/api/v1/namespaces/default/services/x/status", 405},
      {"GET", "/api/v1/namespaces/default/finalize", 405},
      {"POST", "/api/v1/componentstatuses", 405},
      {"POST", "/apis/apps/v1/namespaces/default/deployments/d/scale", 405},
      {"GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 405},
      {"POST", "/apis/apps/v1", 405},
      {"POST", "/api", 405},
      {"DELETE", "/version", 405},
      {"PUT", "/api/v1/namespaces/default/pods/x/nope", 404},
      {"FOO", "/api/v1/foos", 404},
      {"POST", "/healthz", 200},
      {"POST", "/nope", 404},
  };
  for (const Row& row : rows) {
    auto a = call(row.method, row.path);
    EXPECT_EQ(a->status, row.status) << row.method << " " << row.path << a->body;
    if (row.status != 405) continue;
    EXPECT_EQ(a->body, R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the server does not allow this method on the requested resource","reason":"MethodNotAllowed","details":{},"code":405})")
        << row.method << " " << row.path;
  }
}

TEST_F(ObjectReads, health_and_version_are_for_everybody) {
  user.clear();
  groups.clear();
  for (const char* path : {"/healthz", "/livez", "/readyz", "/version"}) EXPECT_EQ(call("GET", path)->status, 200) << path;
  EXPECT_EQ(call("GET", "/readyz?verbose")->body,
            "[+]ping ok\n[+]log ok\n[+]poststarthook/scheduling/bootstrap-system-priority-classes ok\n"
            "[+]poststarthook/rbac/bootstrap-roles ok\n[+]poststarthook/start-system-namespaces-controller ok\n"
            "[+]poststarthook/priority-and-fairness-config-producer ok\n"
            "[+]poststarthook/priority-and-fairness-config-consumer ok\nreadyz check passed\n");
  EXPECT_EQ(call("GET", "/livez/ping")->status, 403);  // the public role names the whole alone
  auto a = call("GET", std::string(kPods));
  EXPECT_EQ(a->status, 403);
  EXPECT_EQ(a->json()["message"].str(),
            "pods is forbidden: User \"system:anonymous\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"");
}

TEST_F(ObjectReads, health_checks_are_asked_one_by_one) {
  EXPECT_EQ(call("GET", "/livez/ping")->body, "ok");
  EXPECT_EQ(call("GET", "/livez/nope")->status, 404);
}

TEST_F(ObjectReads, discovery_is_plain_or_aggregated_and_has_an_etag) {
  auto plain = call("GET", "/apis/apps/v1");
  EXPECT_EQ(plain->json()["kind"].str(), "APIResourceList");
  auto known = call("GET", "/apis/apps/v1", "", {{"if-none-match", std::string(plain->header("etag"))}});
  EXPECT_EQ(known->status, 304);
  std::string type = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
  auto all = call("GET", "/apis", "", {{"accept", type}});
  EXPECT_EQ(all->header("content-type"), type);
  EXPECT_EQ(all->json()["kind"].str(), "APIGroupDiscoveryList");
  EXPECT_EQ(call("GET", "/api", "", {{"accept", type}})->json()["items"].size(), 1u);
}

constexpr const char* kCoreEvents = "/api/v1/namespaces/default/events";
constexpr const char* kNewEvents = "/apis/events.k8s.io/v1/namespaces/default/events";

std::string new_event(std::string_view name, std::string_view about, std::string_view more = {}) {
  return cat(R"({"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":")", name, R"("},"regarding":{"kind":"Pod","name":")",
             about, R"(","namespace":"default"},"reason":"R","note":"hello","action":"A","reportingController":"c","reportingInstance":"i",)",
             R"("type":"Normal","eventTime":"2026-01-02T03:04:05.000000Z")", more, "}");
}

class Events : public ApiTest {};

TEST_F(Events, of_both_groups_are_one_store_each_in_its_own_form) {
  auto made = call("POST", kNewEvents, new_event("n", "p"));
  ASSERT_EQ(made->status, 201) << made->body;
  EXPECT_EQ(made->json()["apiVersion"].str(), "events.k8s.io/v1");
  EXPECT_EQ(made->json()["note"].str(), "hello");
  ASSERT_EQ(call("POST", kCoreEvents, R"({"apiVersion":"v1","kind":"Event","metadata":{"name":"o"},"involvedObject":{"kind":"Pod",
    "name":"q","namespace":"default"},"message":"old","reason":"R","type":"Warning","source":{"component":"kubelet"},"count":3})")->status, 201);

  auto as_core = call("GET", cat(kCoreEvents, "/n"))->json();
  EXPECT_EQ(as_core["apiVersion"].str(), "v1");
  EXPECT_EQ(as_core["message"].str(), "hello");
  EXPECT_EQ(as_core["involvedObject"]["name"].str(), "p");
  EXPECT_EQ(as_core["reportingComponent"].str(), "c");
  EXPECT_FALSE(as_core["note"]);
  auto as_new = call("GET", cat(kNewEvents, "/o"))->json();
  EXPECT_EQ(as_new["apiVersion"].str(), "events.k8s.io/v1");
  EXPECT_EQ(as_new["note"].str(), "old");
  EXPECT_EQ(as_new["deprecatedSource"]["component"].str(), "kubelet");
  EXPECT_EQ(as_new["deprecatedCount"].integer(), 3);
  EXPECT_FALSE(as_new["source"]);

  auto core_list = call("GET", kCoreEvents)->json(), new_list = call("GET", kNewEvents)->json();
  ASSERT_EQ(core_list["items"].size(), 2u);
  ASSERT_EQ(new_list["items"].size(), 2u);
  EXPECT_EQ(new_list["apiVersion"].str(), "events.k8s.io/v1");
  EXPECT_EQ(core_list["items"].item(0)["message"].str(), "hello");
  EXPECT_EQ(new_list["items"].item(0)["note"].str(), "hello");
  EXPECT_FALSE(new_list["items"].item(0)["apiVersion"]);
  Document table = call("GET", kNewEvents, "", {{"accept", "application/json;as=Table;v=v1;g=meta.k8s.io"}})->json();
  EXPECT_EQ(table["rows"].item(1)["cells"].item(6).str(), "old");
}

TEST_F(Events, are_selected_by_the_words_of_each_group) {
  ASSERT_EQ(call("POST", kNewEvents, new_event("a", "p"))->status, 201);
  ASSERT_EQ(call("POST", kNewEvents, new_event("b", "q"))->status, 201);
  for (const char* path : {"/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dq",
                           "/apis/events.k8s.io/v1/namespaces/default/events?fieldSelector=regarding.name%3Dq"}) {
    auto list = call("GET", path)->json();
    ASSERT_EQ(list["items"].size(), 1u) << path;
    EXPECT_EQ(list["items"].item(0)["metadata"]["name"].str(), "b") << path;
  }
  EXPECT_EQ(call("GET", cat(kNewEvents, "?fieldSelector=reportingController%3Dc"))->json()["items"].size(), 2u);
  auto wrong = call("GET", cat(kNewEvents, "?fieldSelector=involvedObject.name%3Dq"));
  EXPECT_EQ(wrong->status, 400);
  EXPECT_EQ(wrong->json()["message"].str(), "field label not supported: involvedObject.name");
}

TEST_F(Events, are_changed_and_deleted_by_either_group) {
  ASSERT_EQ(call("POST", kNewEvents, new_event("a", "p"))->status, 201);
  auto fixed = patch(cat(kNewEvents, "/a"), R"({"note":"x"})");
  EXPECT_EQ(fixed->status, 422);
  EXPECT_EQ(fixed->json()["message"].str(), R"(Event "a" is invalid: message: Invalid value: "x": field is immutable)");
  auto series = patch(cat(kNewEvents, "/a"), R"({"series":{"count":2,"lastObservedTime":"2026-01-02T03:04:06.000000Z"}})", "strategic-merge-patch");
  EXPECT_EQ(series->status, 200) << series->body;
  EXPECT_EQ(series->json()["series"]["count"].integer(), 2);
  EXPECT_EQ(series->json()["note"].str(), "hello");
  EXPECT_EQ(patch(cat(kCoreEvents, "/a"), R"({"message":"x"})")->json()["message"].str(), "x");
  auto put = call("PUT", cat(kNewEvents, "/a"), new_event("a", "p", R"(,"series":{"count":3,"lastObservedTime":"2026-01-02T03:04:06.000000Z"})"));
  EXPECT_EQ(put->status, 422) << "its note is another by now";
  EXPECT_EQ(call("DELETE", cat(kNewEvents, "/none"))->json()["message"].str(), "events \"none\" not found");
  EXPECT_EQ(call("DELETE", cat(kNewEvents, "/a"))->status, 200);
  EXPECT_EQ(call("GET", cat(kCoreEvents, "/a"))->status, 404);
}

constexpr const char* kOldScalers = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
constexpr const char* kNewScalers = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";

class Autoscalers : public ApiTest {};

TEST_F(Autoscalers, of_both_versions_are_one_store_each_in_its_own_form) {
  auto made = call("POST", kOldScalers, R"({"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler","metadata":{"name":"h"},
    "spec":{"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"d"},"maxReplicas":3,"targetCPUUtilizationPercentage":50}})");
  ASSERT_EQ(made->status, 201) << made->body;
  EXPECT_EQ(made->json()["apiVersion"].str(), "autoscaling/v1");
  EXPECT_EQ(made->json()["spec"]["targetCPUUtilizationPercentage"].integer(), 50);
  EXPECT_EQ(made->json()["spec"]["minReplicas"].integer(), 1);

  auto newer = call("GET", cat(kNewScalers, "/h"))->json();
  EXPECT_EQ(newer["apiVersion"].str(), "autoscaling/v2");
  EXPECT_EQ(newer["spec"]["metrics"].item(0)["resource"]["target"]["averageUtilization"].integer(), 50);
  EXPECT_FALSE(newer["spec"].has("targetCPUUtilizationPercentage"));

  auto changed = patch(cat(kNewScalers, "/h"), R"({"spec":{"metrics":[{"type":"Pods","pods":{"metric":{"name":"m"},"target":{"type":"AverageValue","averageValue":"5"}}}]}})");
  ASSERT_EQ(changed->status, 200) << changed->body;
  auto older = call("GET", cat(kOldScalers, "/h"))->json();
  EXPECT_FALSE(older["spec"].has("targetCPUUtilizationPercentage"));
  EXPECT_EQ(older["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"].str(),
            R"([{"type":"Pods","pods":{"metricName":"m","targetAverageValue":"5"}}])");
  ASSERT_EQ(call("PUT", cat(kOldScalers, "/h"), older.root().dump())->status, 200);
  newer = call("GET", cat(kNewScalers, "/h"))->json();
  EXPECT_EQ(newer["spec"]["metrics"].item(0)["pods"]["metric"]["name"].str(), "m") << "through v1 and back";
  EXPECT_FALSE(newer["metadata"].has("annotations"));

  auto status = patch(cat(kOldScalers, "/h/status"), R"({"status":{"currentReplicas":2,"currentCPUUtilizationPercentage":7}})");
  ASSERT_EQ(status->status, 200) << status->body;
  newer = call("GET", cat(kNewScalers, "/h"))->json();
  EXPECT_EQ(newer["status"]["currentReplicas"].integer(), 2);
  EXPECT_EQ(newer["status"]["currentMetrics"].item(0)["resource"]["current"]["averageUtilization"].integer(), 7);

  auto list = call("GET", kOldScalers)->json();
  ASSERT_EQ(list["items"].size(), 1u);
  EXPECT_EQ(list["apiVersion"].str(), "autoscaling/v1");
  EXPECT_EQ(list["items"].item(0)["status"]["currentCPUUtilizationPercentage"].integer(), 7);
  for (const char* path : {kOldScalers, kNewScalers}) {
    Document table = call("GET", path, "", {{"accept", "application/json;as=Table;v=v1;g=meta.k8s.io"}})->json();
    Value row = table["rows"].item(0);
    EXPECT_EQ(row["cells"].item(2).str(), "<unknown>/5") << path;
  }
  auto told = patch(cat(kNewScalers, "/h"), R"({"metadata":{"annotations":{"autoscaling.alpha.kubernetes.io/metrics":"[]","a":"b"}}})");
  EXPECT_EQ(told->json()["metadata"]["annotations"].dump(), R"({"a":"b"})") << "v2 has no such annotation";
  auto refused = patch(cat(kOldScalers, "/h"), R"({"spec":{"maxReplicas":0}})");
  EXPECT_EQ(refused->status, 422);
  EXPECT_EQ(refused->json()["details"]["causes"].item(0)["field"].str(), "spec.maxReplicas");
  EXPECT_EQ(call("DELETE", cat(kOldScalers, "/h"))->status, 200);
  EXPECT_EQ(call("GET", cat(kNewScalers, "/h"))->status, 404);
}

}  // namespace
}  // namespace bramble

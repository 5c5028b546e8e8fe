#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

using ObjectWrites = ApiTest;

// As upstream: beyond 4096 characters of warnings each is cut to 256, and as many are sent as make 4096 again.
TEST_F(ObjectWrites, warnings_have_a_limit) {
  auto warnings = [&](std::string body) {
    std::vector<std::string> out;
    for (const Header& h : call("POST", cat(kMaps, "?dryRun=All"), std::move(body))->headers)
      if (h.name == "warning") out.push_back(h.value);
    return out;
  };
  std::string few = R"({"metadata":{"name":"w"})", many = few;
  for (int i = 0; i < 3; ++i) few += cat(",\"", std::string(300, static_cast<char>('a' + i)), "\":1");
  for (int i = 0; i < 60; ++i) many += cat(",\"u", i, std::string(297, 'x'), "\":1");
  const auto whole = warnings(few + "}"), cut = warnings(many + "}");
  ASSERT_EQ(whole.size(), 3u);
  EXPECT_EQ(whole[0], cat("299 - \"unknown field \\\"", std::string(300, 'a'), "\\\"\""));
  ASSERT_EQ(cut.size(), 16u);
  EXPECT_EQ(cut[0], cat("299 - \"unknown field \\\"u0", std::string(239, 'x'), "\""));
}

// Defaults make a hundredfold of each "{}": memory and time of 700,000 containers.
TEST_F(ObjectWrites, an_object_of_too_many_objects_is_refused) {
  std::string containers = "{}";
  for (int i = 1; i < 60000; ++i) containers += ",{}";
  auto answer = call("POST", "/api/v1/namespaces/default/pods", cat(R"({"metadata":{"name":"p"},"spec":{"containers":[)", containers, "]}}"));
  EXPECT_EQ(answer->status, 413);
  EXPECT_EQ(answer->json()["reason"].str(), "RequestEntityTooLarge");
  EXPECT_EQ(answer->json()["message"].str(), "Request entity is too large: it holds more than 50000 objects");
}

TEST_F(ObjectWrites, create_gives_uid_version_and_time) {
  auto a = call("POST", std::string(kMaps), config_map("c"));
  EXPECT_EQ(a->status, 201);
  Document d = a->json();
  EXPECT_EQ(meta(d.root(), "namespace"), "default");
  EXPECT_FALSE(uid_of(d).empty());
  EXPECT_EQ(version_of(d), cat(cache.revision()));
  EXPECT_EQ(meta(d.root(), "creationTimestamp"), clock.now_rfc3339());
  EXPECT_EQ(call("GET", cat(kMaps, "/c"))->body, a->body);
}

TEST_F(ObjectWrites, create_of_an_existing_name_conflicts) {
  call("POST", std::string(kMaps), config_map("c"));
  auto a = call("POST", std::string(kMaps), config_map("c"));
  EXPECT_EQ(a->status, 409);
  EXPECT_EQ(a->json()["message"].str(), "configmaps \"c\" already exists");
  EXPECT_EQ(a->json()["reason"].str(), "AlreadyExists");
}

TEST_F(ObjectWrites, generate_name_appends_five_characters) {
  auto a = call("POST", std::string(kMaps), R"({"metadata":{"generateName":"x-"}})");
  ASSERT_EQ(a->status, 201);
  EXPECT_EQ(name_of(a->json()).size(), 7u);
  EXPECT_EQ(name_of(a->json()).substr(0, 2), "x-");
}

TEST_F(ObjectWrites, update_that_changes_nothing_writes_nothing) {
  Document first = call("POST", std::string(kMaps), config_map("c"))->json();
  uint64_t before = cache.revision();
  auto a = call("PUT", cat(kMaps, "/c"), std::string(*first.bytes()));
  EXPECT_EQ(a->status, 200);
  EXPECT_EQ(version_of(a->json()), version_of(first));
  EXPECT_EQ(cache.revision(), before);
}

// As upstream's BeforeUpdate: what a client may not change is taken from the old object, not refused.
TEST_F(ObjectWrites, update_ignores_another_creation_time) {
  auto made = call("POST", std::string(kMaps), config_map("m"));
  std::string old = made->json()["metadata"]["creationTimestamp"].text();
  auto put = call("PUT", cat(kMaps, "/m"), R"({"metadata":{"name":"m","creationTimestamp":"2001-02-03T04:05:06Z"},"data":{"k":"2"}})");
  EXPECT_EQ(put->status, 200) << put->body;
  EXPECT_EQ(put->json()["metadata"]["creationTimestamp"].text(), old);
}

TEST_F(ObjectWrites, update_with_an_old_version_conflicts) {
  call("POST", std::string(kMaps), config_map("c"));
  auto a = call("PUT", cat(kMaps, "/c"), R"({"metadata":{"name":"c","resourceVersion":"1"},"data":{"a":"z"}})");
  EXPECT_EQ(a->status, 409);
  EXPECT_EQ(a->json()["message"].str(),
            "Operation cannot be fulfilled on configmaps \"c\": the object has been modified; please apply your changes to the "
            "latest version and try again");
}

TEST_F(ObjectWrites, update_of_another_name_is_a_bad_request) {
  auto a = call("PUT", cat(kMaps, "/d"), config_map("c"));
  EXPECT_EQ(a->status, 400);
  EXPECT_EQ(a->json()["message"].str(), "the name of the object (c) does not match the name on the URL (d)");
}

TEST_F(ObjectWrites, dry_run_stores_nothing) {
  EXPECT_EQ(call("POST", cat(kMaps, "?dryRun=All"), config_map("c"))->status, 201);
  EXPECT_EQ(call("GET", cat(kMaps, "/c"))->status, 404);
  call("POST", std::string(kMaps), config_map("c"));
  EXPECT_EQ(patch(cat(kMaps, "/c?dryRun=All"), R"({"data":{"z":"1"}})")->json()["data"]["z"].str(), "1");
  EXPECT_EQ(call("DELETE", cat(kMaps, "/c?dryRun=All"))->status, 200);
  EXPECT_FALSE(call("GET", cat(kMaps, "/c"))->json()["data"].has("z"));
}

TEST_F(ObjectWrites, unknown_fields_are_warned_of_refused_or_dropped) {
  std::string body = R"({"metadata":{"name":"w"},"zz":1})";
  auto warned = call("POST", cat(kMaps, "?dryRun=All"), body);
  EXPECT_EQ(warned->header("warning"), "299 - \"unknown field \\\"zz\\\"\"");
  auto strict = call("POST", cat(kMaps, "?dryRun=All&fieldValidation=Strict"), body);
  EXPECT_EQ(strict->status, 400);
  EXPECT_EQ(strict->json()["message"].str(),
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"zz\"");
  auto ignored = call("POST", cat(kMaps, "?dryRun=All&fieldValidation=Ignore"), body);
  EXPECT_EQ(ignored->status, 201);
  EXPECT_EQ(ignored->header("warning"), "");
}

TEST_F(ObjectWrites, finalizers_hold_an_object_until_the_last_is_gone) {
  call("POST", std::string(kMaps), R"({"metadata":{"name":"f","finalizers":["example.com/a"]}})");
  Document deleting = call("DELETE", cat(kMaps, "/f"))->json();
  EXPECT_EQ(deleting["kind"].str(), "ConfigMap");
  EXPECT_TRUE(deleting["metadata"].has("deletionTimestamp"));
  EXPECT_EQ(call("GET", cat(kMaps, "/f"))->status, 200);
  EXPECT_EQ(patch(cat(kMaps, "/f"), R"({"metadata":{"finalizers":null}})")->status, 200);
  EXPECT_EQ(call("GET", cat(kMaps, "/f"))->status, 404);
}

TEST_F(ObjectWrites, propagation_is_written_as_a_finalizer) {
  for (auto [policy, finalizer] : {std::pair<const char*, const char*>{"Foreground", "foregroundDeletion"}, {"Orphan", "orphan"}}) {
    call("POST", std::string(kMaps), config_map(policy == std::string("Orphan") ? "o" : "g"));
    std::string name = policy == std::string("Orphan") ? "o" : "g";
    Document d = call("DELETE", cat(kMaps, "/", name, "?propagationPolicy=", policy))->json();
    EXPECT_EQ(d["metadata"]["finalizers"].item(0).str(), finalizer);
  }
}

TEST_F(ObjectWrites, preconditions_of_a_delete_are_checked) {
  call("POST", std::string(kMaps), config_map("c"));
  auto uid = call("DELETE", cat(kMaps, "/c"), R"({"preconditions":{"uid":"x"}})");
  EXPECT_EQ(uid->status, 409);
  EXPECT_NE(uid->json()["message"].str().find("the UID in the precondition (x) does not match the UID in record ("), std::string::npos);
  auto version = call("DELETE", cat(kMaps, "/c"), R"({"preconditions":{"resourceVersion":"1"}})");
  EXPECT_EQ(version->status, 409);
  EXPECT_NE(version->json()["message"].str().find("the ResourceVersion in the precondition (1)"), std::string::npos);
}

TEST_F(ObjectWrites, a_pod_on_a_node_ends_gracefully) {
  ASSERT_EQ(call("POST", std::string(kPods), pod("p", R"(,"nodeName":"n")"))->status, 201);
  Document d = call("DELETE", cat(kPods, "/p"))->json();
  EXPECT_EQ(d["metadata"]["deletionGracePeriodSeconds"].integer(), 30);
  EXPECT_EQ(meta(d.root(), "deletionTimestamp"), format_rfc3339(clock.wall_us() + 30 * 1000000));
  EXPECT_EQ(call("DELETE", cat(kPods, "/p?gracePeriodSeconds=60"))->json()["metadata"]["deletionGracePeriodSeconds"].integer(), 30);
  EXPECT_EQ(call("DELETE", cat(kPods, "/p?gracePeriodSeconds=0"))->status, 200);
  EXPECT_EQ(call("GET", cat(kPods, "/p"))->status, 404);
}

TEST_F(ObjectWrites, a_pod_without_node_goes_at_once) {
  call("POST", std::string(kPods), pod("p"));
  call("DELETE", cat(kPods, "/p"));
  EXPECT_EQ(call("GET", cat(kPods, "/p"))->status, 404);
}

// kubectl drain --dry-run=server asks for it in the body.
TEST_F(ObjectWrites, an_eviction_may_be_a_dry_run) {
  auto evict = [&](std::string_view query, std::string_view options) {
    return call("POST", cat(kPods, "/p/eviction", query),
                cat(R"({"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"p"})", options, "}"));
  };
  call("POST", std::string(kPods), pod("p"));
  EXPECT_EQ(evict("", R"(,"deleteOptions":{"dryRun":["All"]})")->status, 201);
  EXPECT_EQ(evict("?dryRun=All", "")->status, 201);
  auto refused = evict("", R"(,"deleteOptions":{"dryRun":["Some"]})");
  EXPECT_EQ(refused->status, 422) << refused->body;
  EXPECT_EQ(evict("", R"(,"deleteOptions":{"propagationPolicy":"Sometimes"})")->status, 422);
  EXPECT_EQ(call("GET", cat(kPods, "/p"))->status, 200);
  EXPECT_EQ(evict("", "")->status, 201);
  EXPECT_EQ(call("GET", cat(kPods, "/p"))->status, 404);
}

TEST_F(ObjectWrites, binding_sets_the_node_once) {
  call("POST", std::string(kPods), pod("p"));
  std::string body = R"({"apiVersion":"v1","kind":"Binding","metadata":{"name":"p"},"target":{"kind":"Node","name":"n"}})";
  EXPECT_EQ(call("POST", cat(kPods, "/p/binding"), body)->status, 201);
  auto again = call("POST", cat(kPods, "/p/binding"), body);
  EXPECT_EQ(again->status, 409);
  EXPECT_EQ(again->json()["message"].str(),
            "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"n\"");
  EXPECT_EQ(call("GET", cat(kPods, "/p"))->json()["spec"]["nodeName"].str(), "n");
}

TEST_F(ObjectWrites, a_namespace_ends_when_its_finalizers_do) {
  call("POST", "/api/v1/namespaces", R"({"metadata":{"name":"t"}})");
  Document d = call("DELETE", "/api/v1/namespaces/t")->json();
  EXPECT_EQ(d["status"]["phase"].str(), "Terminating");
  auto refused = call("POST", "/api/v1/namespaces/t/configmaps", config_map("c"));
  EXPECT_EQ(refused->status, 403);
  EXPECT_EQ(refused->json()["details"]["causes"].item(0)["reason"].str(), "NamespaceTerminating");
  EXPECT_EQ(call("PUT", "/api/v1/namespaces/t/finalize", R"({"metadata":{"name":"t"},"spec":{"finalizers":[]}})")->status, 200);
  EXPECT_EQ(call("GET", "/api/v1/namespaces/t")->status, 404);
}

TEST_F(ObjectWrites, protected_namespaces_stay) {
  auto a = call("DELETE", "/api/v1/namespaces/kube-system");
  EXPECT_EQ(a->status, 403);
  EXPECT_EQ(a->json()["message"].str(), "namespaces \"kube-system\" is forbidden: this namespace may not be deleted");
}

TEST_F(ObjectWrites, scale_is_read_and_written) {
  std::string deployments = "/apis/apps/v1/namespaces/default/deployments";
  ASSERT_EQ(call("POST", deployments,
                 R"({"metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},)"
                 R"("spec":{"containers":[{"name":"c","image":"nginx"}]}}}})")
                ->status,
            201);
  EXPECT_EQ(call("GET", deployments + "/d/scale")->json()["status"]["selector"].str(), "a=b");
  auto scaled = patch(deployments + "/d/scale", R"({"spec":{"replicas":4}})");
  EXPECT_EQ(scaled->json()["spec"]["replicas"].integer(), 4);
  Document d = call("GET", deployments + "/d")->json();
  EXPECT_EQ(d["spec"]["replicas"].integer(), 4);
  EXPECT_EQ(d["metadata"]["generation"].integer(), 2);
}

TEST_F(ObjectWrites, delete_collection_deletes_what_is_selected) {
  call("POST", std::string(kMaps), config_map("a", "{}", R"({"l":"1"})"));
  call("POST", std::string(kMaps), config_map("b", "{}", R"({"l":"2"})"));
  EXPECT_EQ(call("DELETE", cat(kMaps, "?labelSelector=l%3D1"))->json()["items"].size(), 1u);
  EXPECT_EQ(call("GET", cat(kMaps, "/a"))->status, 404);
  EXPECT_EQ(call("GET", cat(kMaps, "/b"))->status, 200);
}

TEST_F(ObjectWrites, bodies_that_are_no_object_are_named) {
  struct Row {
    const char* name;
    const char* type;
    const char* body;
    const char* message;
  };
  const Row rows[] = {
      {"empty", "json", "", "couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)"},
      {"cut", "json", "{", "couldn't get version/kind; json parse error: unexpected end of JSON input ({)"},
      {"line and column", "json", "{\n \"a\": x}",
       "couldn't get version/kind; json parse error: invalid character 'x' looking for beginning of value (line 2, column 7) ({\n "
       "\"a\": x})"},
      {"a long line", "json", R"({"kind":"ConfigMap","apiVersion":"v1",})",
       "couldn't get version/kind; json parse error: invalid character '}' looking for beginning of object key string (line 1, "
       "column 39) ({\"kind\":\"ConfigMap\",\"apiVersio ...)"},
      {"a YAML mapping in a value", "yaml", "a: b: c", "yaml: mapping values are not allowed in this context (613a20623a2063)"},
      {"YAML with lines", "yaml", "kind: ConfigMap\ndata:\n  a: b: c\n",
       "yaml: line 3: mapping values are not allowed in this context (line 3, column 7) "
       "(6b696e643a20436f6e6669674d61700a646174613a0a2020613a20623a20 ...)"},
      {"a YAML text", "yaml", "x",
       "couldn't get version/kind; json parse error: json: cannot unmarshal string into Go value of type struct { APIVersion string "
       R"("json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" } (78))"},
  };
  for (const Row& row : rows) {
    auto a = call("POST", std::string(kMaps), row.body, {{"content-type", cat("application/", row.type)}});
    EXPECT_EQ(a->status, 400) << row.name;
    EXPECT_EQ(a->json()["reason"].str(), "BadRequest") << row.name;
    EXPECT_EQ(a->json()["message"].str(), cat("the object provided is unrecognized (must be of type ConfigMap): ", row.message)) << row.name;
  }
  EXPECT_EQ(call("POST", std::string(kMaps), "x", {{"content-type", "text/plain"}})->status, 415);
}

TEST_F(ObjectWrites, yaml_bodies_and_answers_work) {
  auto a = call("POST", std::string(kMaps), "kind: ConfigMap\nmetadata:\n  name: doc\ndata:\n  k: v\n",
                {{"content-type", "application/yaml"}, {"accept", "application/yaml"}});
  EXPECT_EQ(a->status, 201);
  EXPECT_EQ(a->header("content-type"), "application/yaml");
  EXPECT_NE(a->body.find("data:\n  k: v\n"), std::string::npos);
}

TEST_F(ObjectWrites, pods_get_their_account_token_and_tolerations) {
  Document d = call("POST", std::string(kPods), pod("p"))->json();
  EXPECT_EQ(d["spec"]["serviceAccountName"].str(), "default");
  EXPECT_EQ(d["spec"]["priority"].integer(-1), 0);
  EXPECT_EQ(d["spec"]["tolerations"].size(), 2u);
  Value mount = d["spec"]["containers"].item(0)["volumeMounts"].item(0);
  EXPECT_EQ(mount["mountPath"].str(), "/var/run/secrets/kubernetes.io/serviceaccount");
  EXPECT_EQ(mount["name"].str(), d["spec"]["volumes"].item(0)["name"].str());
  auto refused = call("POST", std::string(kPods), pod("q", R"(,"serviceAccountName":"nope")"));
  EXPECT_EQ(refused->status, 403);
  EXPECT_EQ(refused->json()["message"].str(),
            "pods \"q\" is forbidden: error looking up service account default/nope: serviceaccount \"nope\" not found");
}

TEST_F(ObjectWrites, services_get_an_address_and_ports_that_nobody_has) {
  std::string services = "/api/v1/namespaces/default/services";
  Document a = call("POST", services, R"({"metadata":{"name":"a"},"spec":{"type":"NodePort","ports":[{"port":80}]}})")->json();
  std::string ip = a["spec"]["clusterIP"].text();
  int64_t port = a["spec"]["ports"].item(0)["nodePort"].integer();
  EXPECT_EQ(ip.substr(0, 6), "10.43.");
  EXPECT_GE(port, 30000);
  auto taken = call("POST", services, cat(R"({"metadata":{"name":"b"},"spec":{"clusterIP":")", ip, R"(","ports":[{"port":80}]}})"));
  EXPECT_EQ(taken->status, 422);
  EXPECT_NE(taken->json()["message"].str().find("provided IP is already allocated"), std::string::npos);
  auto port_taken = call("POST", services, cat(R"({"metadata":{"name":"b"},"spec":{"type":"NodePort","ports":[{"port":80,"nodePort":)", port, "}]}}"));
  EXPECT_EQ(port_taken->status, 422);
  EXPECT_NE(port_taken->json()["message"].str().find("provided port is already allocated"), std::string::npos);
  call("DELETE", services + "/a");
  EXPECT_EQ(call("POST", services, cat(R"({"metadata":{"name":"b"},"spec":{"clusterIP":")", ip, R"(","ports":[{"port":80}]}})"))->status, 201);
}

TEST_F(ObjectWrites, the_dns_address_is_kept_for_dns) {
  std::string body = R"({"metadata":{"name":"kube-dns"},"spec":{"clusterIP":"10.43.0.10","ports":[{"port":53}]}})";
  EXPECT_EQ(call("POST", "/api/v1/namespaces/default/services", body)->status, 422);
  EXPECT_EQ(call("POST", "/api/v1/namespaces/kube-system/services", body)->status, 201);
}

}  // namespace
}  // namespace bramble

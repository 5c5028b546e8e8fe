// Workloads of old versions over the pipeline: one object in every version, its writes, watches, owners, Scale, roll-back, roles,
// warnings and discovery.
#include <algorithm>

#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

std::string collection(std::string_view version, std::string_view resource = "deployments") {
  return cat("/apis/", version, "/namespaces/default/", resource);
}
std::string one(std::string_view version, std::string_view rest = "d") { return cat(collection(version), "/", rest); }

std::string deployment(std::string_view version, std::string_view spec = "", std::string_view labels = R"({"a":"b"})", std::string_view meta = "") {
  return cat(R"({"apiVersion":")", version, R"(","kind":"Deployment","metadata":{"name":"d")", meta, R"(},"spec":{)", spec, spec.empty() ? "" : ",",
             R"("template":{"metadata":{"labels":)", labels, R"(},"spec":{"containers":[{"name":"c","image":"i"}]}}}})");
}

constexpr std::string_view kExt = "extensions/v1beta1", kBeta1 = "apps/v1beta1", kBeta2 = "apps/v1beta2", kNow = "apps/v1";
constexpr std::string_view kAll[] = {kExt, kBeta1, kBeta2, kNow};

class OldVersions : public ApiTest {
 protected:
  std::string message(const std::shared_ptr<KeptAnswer>& a) { return a->json()["message"].text(); }
  std::shared_ptr<KeptAnswer> good(const std::string& method, const std::string& target, const std::string& body = {}, std::vector<Header> headers = {}) {
    auto a = call(method, target, body, std::move(headers));
    EXPECT_LT(a->status, 300) << target << ": " << a->body;
    return a;
  }
  std::shared_ptr<KeptAnswer> apply(std::string_view version, const std::string& manager, const std::string& body, std::string_view more = "") {
    return call("PATCH", cat(one(version), "?fieldManager=", manager, more), body, {{"content-type", "application/apply-patch+yaml"}});
  }
  // "manager version operation" of each entry.
  std::string managers(const Document& d) {
    std::string out;
    for (Value e : d["metadata"]["managedFields"].items())
      out += cat(out.empty() ? "" : ", ", e["manager"].str(), " ", e["apiVersion"].str(), " ", e["operation"].str());
    return out;
  }
};

TEST_F(OldVersions, one_object_is_read_in_each) {
  Document made = good("POST", collection(kExt), deployment(kExt))->json();
  EXPECT_EQ(made["apiVersion"].str(), kExt);
  EXPECT_EQ(made["spec"]["progressDeadlineSeconds"].integer(), 2147483647);
  EXPECT_EQ(made["metadata"]["labels"]["a"].str(), "b");
  for (std::string_view version : kAll) {
    Document seen = good("GET", one(version))->json();
    EXPECT_EQ(seen["apiVersion"].str(), version);
    EXPECT_EQ(seen["kind"].str(), "Deployment");
    EXPECT_TRUE(equal(seen["spec"], made["spec"])) << seen.root().dump();
    EXPECT_TRUE(equal(seen["metadata"], made["metadata"])) << seen.root().dump();
    Document list = good("GET", collection(version))->json();
    EXPECT_EQ(list["apiVersion"].str(), version);
    EXPECT_EQ(list["kind"].str(), "DeploymentList");
    EXPECT_EQ(list["items"].size(), 1u);
    EXPECT_FALSE(list["items"].item(0).has("apiVersion"));
    EXPECT_EQ(call("POST", collection(version), deployment(version, R"("selector":{"matchLabels":{"a":"b"}})"))->status, 409) << version;
  }
  // And one of today in the versions of yesterday.
  good("PUT", one(kNow), deployment(kNow, R"("selector":{"matchLabels":{"a":"b"}})"));
  for (std::string_view version : kAll) {
    Document seen = good("GET", one(version))->json();
    EXPECT_EQ(seen["spec"]["progressDeadlineSeconds"].integer(), 600) << version;
    EXPECT_FALSE(seen["metadata"].has("labels")) << version;
  }
}

TEST_F(OldVersions, each_is_watched_in_its_own_words) {
  std::vector<std::shared_ptr<KeptAnswer>> watches;
  for (std::string_view version : kAll) watches.push_back(start("GET", cat(collection(version), "?watch=1&resourceVersion=", cache.revision())));
  good("POST", collection(kBeta1), deployment(kBeta1, R"("rollbackTo":{"revision":2})"));
  good("DELETE", one(kBeta2));  // which waits for its dependents to be orphaned
  patch(one(kNow), R"({"metadata":{"finalizers":null}})");
  settle();
  for (size_t i = 0; i < watches.size(); i++) {
    auto lines = watches[i]->lines();
    ASSERT_EQ(lines.size(), 3u) << kAll[i];
    EXPECT_EQ(cat(lines[0]["type"].str(), " ", lines[1]["type"].str(), " ", lines[2]["type"].str()), "ADDED MODIFIED DELETED");
    Value object = lines[0]["object"];
    EXPECT_EQ(object["apiVersion"].str(), kAll[i]);
    const bool field = kAll[i] == kExt || kAll[i] == kBeta1;
    EXPECT_EQ(object["spec"].has("rollbackTo"), field) << kAll[i];
    EXPECT_EQ(object["metadata"]["annotations"].has("deprecated.deployment.rollback.to"), !field) << kAll[i];
  }
}

TEST_F(OldVersions, a_delete_lets_dependents_go_unless_it_says_otherwise) {
  const struct {
    const char* name;
    std::string_view version;
    const char* query;
    bool orphans;
  } cases[] = {
      {"extensions", kExt, "", true}, {"apps/v1beta1", kBeta1, "", true}, {"apps/v1beta2", kBeta2, "", true},
      {"apps/v1", kNow, "", false},   {"said otherwise", kExt, "?propagationPolicy=Background", false},
  };
  for (const auto& c : cases) {
    good("POST", collection(kNow), deployment(kNow, R"("selector":{"matchLabels":{"a":"b"}})"));
    good("DELETE", cat(one(c.version), c.query));
    auto left = call("GET", one(kNow));
    EXPECT_EQ(left->status, c.orphans ? 200 : 404) << c.name;
    if (left->status != 200) continue;
    EXPECT_EQ(left->json()["metadata"]["finalizers"].dump(), R"(["orphan"])") << c.name;
    patch(one(kNow), R"({"metadata":{"finalizers":null}})");
  }
}

TEST_F(OldVersions, patches_and_updates_are_in_the_words_of_the_version) {
  good("POST", collection(kExt), deployment(kExt));
  EXPECT_EQ(patch(one(kExt), R"({"spec":{"selector":{"matchLabels":null,"matchExpressions":[{"key":"a","operator":"Exists"}]}}})")->status, 200);
  EXPECT_EQ(good("GET", one(kNow))->json()["spec"]["selector"].dump(), R"({"matchExpressions":[{"key":"a","operator":"Exists"}]})");
  auto refused = patch(one(kBeta2), R"({"spec":{"selector":{"matchLabels":{"a":"b"}}}})");
  EXPECT_EQ(refused->status, 422);
  EXPECT_NE(message(refused).find("field is immutable"), std::string::npos) << message(refused);
  EXPECT_EQ(message(refused).find("Deployment.apps \"d\" is invalid: spec.selector"), 0u) << message(refused);
  EXPECT_EQ(patch(one(kExt), R"({"spec":{"template":{"spec":{"containers":[{"name":"c","env":[{"name":"E","value":"1"}]}]}}}})", "strategic-merge-patch")->status, 200);
  EXPECT_EQ(good("GET", one(kNow))->json()["spec"]["template"]["spec"]["containers"].item(0)["image"].str(), "i");
  // What an object of today lacks, a write of yesterday defaults.
  good("DELETE", cat(one(kNow), "?propagationPolicy=Background"));
  good("POST", collection(kNow), deployment(kNow, R"("selector":{"matchLabels":{"a":"b"}})"));
  patch(one(kBeta1), R"({"spec":{"replicas":3}})");
  EXPECT_EQ(good("GET", one(kNow))->json()["metadata"]["labels"]["a"].str(), "b");
  EXPECT_EQ(good("PUT", cat(one(kExt), "/status"), deployment(kExt))->json()["apiVersion"].str(), kExt);
}

TEST_F(OldVersions, a_body_of_another_version_is_refused) {
  const struct {
    const char* name;
    std::string target, body;
    const char* want;
  } cases[] = {
      {"old to new", collection(kNow), deployment(kExt), "the API version in the data (extensions/v1beta1) does not match the expected API version (apps/v1)"},
      {"new to old", collection(kExt), deployment(kNow), "the API version in the data (apps/v1) does not match the expected API version (extensions/v1beta1)"},
      {"one that never was", collection(kExt), deployment("extensions/v1beta7"),
       "Deployment in version \"v1beta7\" cannot be handled as a Deployment: no kind \"Deployment\" is registered for version \"extensions/v1beta7\" in scheme \"k136/pkg/api/legacyscheme/scheme.go:30\""},
  };
  for (const auto& c : cases) {
    auto a = call("POST", c.target, c.body);
    EXPECT_EQ(a->status, 400) << c.name;
    EXPECT_EQ(message(a), c.want) << c.name;
  }
  EXPECT_EQ(call("GET", one(kExt, "nope"))->status, 404);
  EXPECT_EQ(message(call("GET", one(kExt, "nope"))), "deployments.apps \"nope\" not found");
  EXPECT_EQ(call("GET", collection(kExt, "statefulsets"))->status, 404);
  EXPECT_EQ(call("GET", collection(kBeta1, "daemonsets"))->status, 404);
  auto unknown = call("POST", cat(collection(kExt), "?fieldValidation=Strict"), deployment(kExt, R"("replica":1)"));
  EXPECT_EQ(message(unknown), "Deployment in version \"v1beta1\" cannot be handled as a Deployment: strict decoding error: unknown field \"spec.replica\"");
}

TEST_F(OldVersions, owners_of_fields_keep_the_version_that_they_used) {
  good("POST", cat(collection(kExt), "?fieldManager=maker"), deployment(kExt));
  patch(cat(one(kNow), "?fieldManager=scaler"), R"({"spec":{"replicas":3}})");
  patch(cat(one(kBeta2), "?fieldManager=pauser"), R"({"spec":{"paused":true}})");
  for (std::string_view version : kAll) {
    EXPECT_EQ(managers(good("GET", one(version))->json()),
              "maker extensions/v1beta1 Update, pauser apps/v1beta2 Update, scaler apps/v1 Update")
        << version;
  }
  const Document d = good("GET", one(kNow))->json();
  EXPECT_FALSE(d["metadata"]["managedFields"].item(0)["fieldsV1"]["f:spec"].has("f:replicas"));
  // The field of the old version, which is an annotation of the new one.
  patch(cat(one(kExt), "?fieldManager=back"), R"({"spec":{"rollbackTo":{"revision":1}}})");
  const Document owned = good("GET", one(kNow))->json();
  for (Value e : owned["metadata"]["managedFields"].items())
    if (e["manager"].str() == "back") {
      EXPECT_EQ(e["fieldsV1"].dump(), R"({"f:spec":{"f:rollbackTo":{".":{},"f:revision":{}}}})");
    }
  patch(cat(one(kNow), "?fieldManager=front"), R"({"metadata":{"annotations":{"deprecated.deployment.rollback.to":"2"}}})");
  const Document after = good("GET", one(kExt))->json();
  EXPECT_EQ(after["spec"]["rollbackTo"]["revision"].integer(), 2);
  for (Value e : after["metadata"]["managedFields"].items())
    if (e["manager"].str() == "back") {
      EXPECT_EQ(e["fieldsV1"].dump().find("f:revision"), std::string::npos);
    }
}

TEST_F(OldVersions, apply_goes_across_versions) {
  auto made = apply(kExt, "m", deployment(kExt, R"("replicas":2,"minReadySeconds":5)"));
  EXPECT_EQ(made->status, 201) << made->body;
  EXPECT_EQ(managers(made->json()), "m extensions/v1beta1 Apply");
  auto conflict = apply(kNow, "other", deployment(kNow, R"("replicas":3,"selector":{"matchLabels":{"a":"b"}})"));
  EXPECT_EQ(conflict->status, 409);
  EXPECT_EQ(message(conflict), "Apply failed with 1 conflict: conflict with \"m\": .spec.replicas");
  auto old_conflict = apply(kBeta2, "third", deployment(kBeta2, R"("replicas":4,"selector":{"matchLabels":{"a":"b"}})"));
  EXPECT_EQ(message(old_conflict), "Apply failed with 1 conflict: conflict with \"m\": .spec.replicas");
  // The same applier moves to another version: what it says no more goes.
  auto moved = apply(kNow, "m", deployment(kNow, R"("replicas":2,"selector":{"matchLabels":{"a":"b"}})"));
  EXPECT_EQ(moved->status, 200) << moved->body;
  EXPECT_EQ(managers(moved->json()), "m apps/v1 Apply");
  EXPECT_FALSE(moved->json()["spec"].has("minReadySeconds"));
  auto forced = apply(kBeta1, "third", deployment(kBeta1, R"("replicas":4)"), "&force=true");
  EXPECT_EQ(forced->status, 200) << forced->body;
  EXPECT_EQ(good("GET", one(kNow))->json()["spec"]["replicas"].integer(), 4);
  EXPECT_EQ(managers(forced->json()), "m apps/v1 Apply, third apps/v1beta1 Apply");
  auto wrong = apply(kExt, "m", deployment(kNow));
  EXPECT_EQ(message(wrong), "invalid object type: apps/v1, Kind=Deployment");
}

TEST_F(OldVersions, scale_is_the_one_of_the_version) {
  good("POST", cat(collection(kExt), "?fieldManager=maker"), deployment(kExt, R"("replicas":2)"));
  const struct {
    std::string_view version, scale;
    const char* status;
  } cases[] = {
      {kExt, kExt, R"({"replicas":0,"selector":{"a":"b"},"targetSelector":"a=b"})"},
      {kBeta1, kBeta1, R"({"replicas":0,"selector":{"a":"b"},"targetSelector":"a=b"})"},
      {kBeta2, kBeta2, R"({"replicas":0,"selector":{"a":"b"},"targetSelector":"a=b"})"},
      {kNow, "autoscaling/v1", R"({"replicas":0,"selector":"a=b"})"},
  };
  int replicas = 2;
  for (const auto& c : cases) {
    Document scale = good("GET", one(c.version, "d/scale"))->json();
    EXPECT_EQ(scale["apiVersion"].str(), c.scale);
    EXPECT_EQ(scale["kind"].str(), "Scale");
    EXPECT_EQ(scale["spec"]["replicas"].integer(), replicas) << c.version;
    EXPECT_EQ(scale["status"].dump(), c.status) << c.version;
    Builder next(scale.root());
    next["spec"].set("replicas", ++replicas);
    Document put = good("PUT", one(c.version, "d/scale"), next.dump())->json();
    EXPECT_EQ(put["apiVersion"].str(), c.scale);
    EXPECT_EQ(put["spec"]["replicas"].integer(), replicas) << c.version;
    Document patched = patch(one(c.version, "d/scale"), cat(R"({"spec":{"replicas":)", ++replicas, "}}"))->json();
    EXPECT_EQ(patched["spec"]["replicas"].integer(), replicas) << c.version;
    EXPECT_EQ(good("GET", one(kNow))->json()["spec"]["replicas"].integer(), replicas) << c.version;
    auto table = call("GET", one(c.version, "d/scale"), "", {{"accept", "application/json;as=Table;g=meta.k8s.io;v=v1"}});
    EXPECT_EQ(table->json()["rows"].item(0)["cells"].item(1).integer(), replicas) << c.version;
  }
  auto other = call("PUT", one(kExt, "d/scale"), R"({"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"d"},"spec":{"replicas":1}})");
  EXPECT_EQ(message(other), "the API version in the data (autoscaling/v1) does not match the expected API version (extensions/v1beta1)");
  patch(one(kExt), R"({"spec":{"selector":{"matchLabels":null,"matchExpressions":[{"key":"a","operator":"Exists"}]}}})");
  EXPECT_EQ(good("GET", one(kExt, "d/scale"))->json()["status"].dump(), R"({"replicas":0,"targetSelector":"a"})");
  // Everything but the replicas is as its maker left it.
  const Document d = good("GET", one(kExt))->json();
  EXPECT_EQ(d["spec"]["progressDeadlineSeconds"].integer(), 2147483647);
}

TEST_F(OldVersions, rollback_is_noted_for_the_controller) {
  good("POST", collection(kNow), deployment(kNow, R"("selector":{"matchLabels":{"a":"b"}})"));
  auto body = [](std::string_view version, std::string_view rest) { return cat(R"({"kind":"DeploymentRollback","apiVersion":")", version, "\",", rest, "}"); };
  for (std::string_view version : {kExt, kBeta1}) {
    auto a = call("POST", one(version, "d/rollback"), body(version, R"("name":"d","updatedAnnotations":{"who":"me"},"rollbackTo":{"revision":3})"));
    EXPECT_EQ(a->status, 201) << a->body;
    EXPECT_EQ(a->body, R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","message":"rollback request for deployment \"d\" succeeded","code":200})");
    EXPECT_EQ(a->header("warning"), cat("299 - \"", version, " DeploymentRollback is deprecated in v1.8+, unavailable in v1.16+",
                                        version == kExt ? "" : "; use apps/v1 DeploymentRollback", "\""));
    Document now = good("GET", one(kNow))->json();
    EXPECT_EQ(now["metadata"]["annotations"].dump(), R"({"deprecated.deployment.rollback.to":"3","who":"me"})");
    EXPECT_EQ(now["metadata"]["generation"].integer(), 1);
    EXPECT_EQ(good("GET", one(version))->json()["spec"]["rollbackTo"]["revision"].integer(), 3);
    patch(one(kNow), R"({"metadata":{"generation":1,"annotations":null}})");
    good("DELETE", cat(one(kNow), "?propagationPolicy=Background"));
    good("POST", collection(kNow), deployment(kNow, R"("selector":{"matchLabels":{"a":"b"}})"));
  }
  const struct {
    const char* name;
    std::string path, body;
    int status;
    const char* message;
  } cases[] = {
      {"no such deployment", one(kExt, "x/rollback"), body(kExt, R"("name":"x","rollbackTo":{})"), 404, "deployments.apps \"x\" not found"},
      {"of another name", one(kExt, "d/rollback"), body(kExt, R"("name":"e","rollbackTo":{})"), 400, "name in URL does not match name in DeploymentRollback object"},
      {"no name", one(kExt, "d/rollback"), body(kExt, R"("rollbackTo":{})"), 422, "DeploymentRollback.apps \"\" is invalid: name: Required value: name is required"},
      {"before the first", one(kExt, "d/rollback"), body(kExt, R"("name":"d","rollbackTo":{"revision":-1})"), 422,
       "DeploymentRollback.apps \"d\" is invalid: rollback.version: Invalid value: -1: must be greater than or equal to 0"},
      {"not of apps/v1", one(kNow, "d/rollback"), body(kNow, R"("name":"d")"), 404, "the server could not find the requested resource"},
      {"not of apps/v1beta2", one(kBeta2, "d/rollback"), body(kBeta2, R"("name":"d")"), 404, "the server could not find the requested resource"},
  };
  for (const auto& c : cases) {
    auto a = call("POST", c.path, c.body);
    EXPECT_EQ(a->status, c.status) << c.name << a->body;
    EXPECT_EQ(message(a), c.message) << c.name;
  }
}

// A role for the group of the request or for the one where the object lives; one for extensions alone opens nothing in apps.
TEST_F(OldVersions, a_role_for_either_group_lets_in) {
  good("POST", collection(kExt), deployment(kExt));
  const std::string rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/";
  for (const char* group : {"extensions", "apps"}) {
    good("POST", cat(rbac, "roles"), cat(R"({"metadata":{"name":")", group, R"("},"rules":[{"verbs":["get","update"],"apiGroups":[")", group,
                                         R"("],"resources":["deployments","deployments/scale"]}]})"));
    good("POST", cat(rbac, "rolebindings"), cat(R"({"metadata":{"name":")", group, R"("},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":")",
                                                group, R"("},"subjects":[{"kind":"User","name":"of-)", group, R"("}]})"));
  }
  const struct {
    const char* user;
    std::string_view version;
    const char* part;
    int status;
  } cases[] = {
      {"of-extensions", kExt, "d", 200}, {"of-extensions", kExt, "d/scale", 200}, {"of-extensions", kBeta1, "d", 403}, {"of-extensions", kNow, "d", 403},
      {"of-apps", kExt, "d", 200},       {"of-apps", kExt, "d/scale", 200},       {"of-apps", kBeta1, "d", 200},       {"of-apps", kBeta2, "d", 200},
      {"of-apps", kNow, "d", 200},       {"of-apps", kExt, "d/status", 403},      {"of-nothing", kExt, "d", 403},
  };
  groups.clear();
  for (const auto& c : cases) {
    user = c.user;
    EXPECT_EQ(call("GET", one(c.version, c.part))->status, c.status) << c.user << " " << c.version << " " << c.part;
  }
  user = "of-nothing";
  EXPECT_EQ(message(call("GET", one(kExt))),
            "deployments.extensions \"d\" is forbidden: User \"of-nothing\" cannot get resource \"deployments\" in API group \"extensions\" in the namespace \"default\"");
  user = "admin", groups = {"system:masters"};
  auto review = [&](const char* who, const char* group) {
    return good("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews",
                cat(R"({"spec":{"user":")", who, R"(","resourceAttributes":{"namespace":"default","verb":"get","group":")", group, R"(","resource":"deployments"}}})"))
        ->json()["status"]["allowed"].boolean();
  };
  EXPECT_TRUE(review("of-apps", "extensions"));
  EXPECT_TRUE(review("of-extensions", "extensions"));
  EXPECT_FALSE(review("of-extensions", "apps"));
}

TEST_F(OldVersions, warn_on_every_request) {
  const std::string want = "299 - \"extensions/v1beta1 Deployment is deprecated in v1.8+, unavailable in v1.16+; use apps/v1 Deployment\"";
  EXPECT_EQ(good("POST", collection(kExt), deployment(kExt))->header("warning"), want);
  EXPECT_EQ(good("GET", one(kExt))->header("warning"), want);
  EXPECT_EQ(good("GET", collection(kExt))->header("warning"), want);
  EXPECT_EQ(good("PUT", cat(one(kExt), "/status"), deployment(kExt))->header("warning"), want);
  EXPECT_EQ(good("GET", one(kExt, "d/scale"))->header("warning"), "299 - \"extensions/v1beta1 Scale is deprecated in v1.2+, unavailable in v1.16+\"");
  EXPECT_EQ(good("GET", one(kNow))->header("warning"), "");
}

TEST_F(OldVersions, discovery_never_prefers_them) {
  Document apps = good("GET", "/apis/apps")->json();
  EXPECT_EQ(apps["preferredVersion"]["version"].str(), "v1");
  EXPECT_EQ(apps["versions"].dump(),
            R"([{"groupVersion":"apps/v1","version":"v1"},{"groupVersion":"apps/v1beta2","version":"v1beta2"},{"groupVersion":"apps/v1beta1","version":"v1beta1"}])");
  Document groups_list = good("GET", "/apis")->json();
  EXPECT_EQ(groups_list["groups"].item(groups_list["groups"].size() - 1)["name"].str(), "extensions");
  auto resources = [&](std::string_view version) {
    std::string out;
    const Document list = good("GET", cat("/apis/", version))->json();
    for (Value r : list["resources"].items()) {
      out += cat(out.empty() ? "" : " ", r["name"].str());
      if (r["kind"].str() == "Scale") {
        EXPECT_EQ(cat(r["group"].str(), "/", r["version"].str()), version) << r["name"].str();
      }
      if (version == kExt) {
        EXPECT_FALSE(r.has("shortNames") || r.has("categories")) << r["name"].str();
      }
    }
    return out;
  };
  EXPECT_EQ(resources(kExt), "daemonsets daemonsets/status deployments deployments/rollback deployments/scale deployments/status replicasets replicasets/scale replicasets/status");
  EXPECT_EQ(resources(kBeta1), "controllerrevisions deployments deployments/rollback deployments/scale deployments/status statefulsets statefulsets/scale statefulsets/status");
  EXPECT_EQ(resources(kBeta2),
            "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status "
            "statefulsets statefulsets/scale statefulsets/status");
  // What upstream lists under "/" is listed there, no more.
  const std::string index = good("GET", "/")->body;
  EXPECT_NE(index.find("\"/apis/apps/v1\""), std::string::npos);
  for (const char* group : {"apps", "extensions"}) EXPECT_EQ(index.find(cat("\"/apis/", group, "/v1beta")), std::string::npos) << group;
  EXPECT_EQ(index.find("extensions\""), std::string::npos);
  // The same objects in the store: one hash.
  const Document now = good("GET", "/apis/apps/v1")->json(), old = good("GET", "/apis/extensions/v1beta1")->json();
  EXPECT_EQ(now["resources"].item(3)["storageVersionHash"].str(), old["resources"].item(2)["storageVersionHash"].str());
  for (std::string_view version : {kExt, kBeta1, kBeta2}) EXPECT_EQ(call("GET", cat("/openapi/v3/apis/", version))->status, 200) << version;
}

// kubectl get -o yaml of some old cluster, sent back as it is.
TEST_F(OldVersions, a_dump_with_its_version_is_refused_as_upstream_refuses_it) {
  const std::string dump = deployment(kNow, R"("selector":{"matchLabels":{"a":"b"}})", R"({"a":"b"})",
                                      R"(,"resourceVersion":"80943","uid":"abf0036c-b91f-4512-996c-3ec325005843","generation":1,"selfLink":"/x")");
  auto posted = call("POST", cat(collection(kNow), "?fieldValidation=Strict"), dump);
  EXPECT_EQ(posted->status, 500);
  EXPECT_EQ(message(posted), "resourceVersion should not be set on objects to be created");
  auto applied = apply(kNow, "m", dump);
  EXPECT_EQ(applied->status, 409);
}

}  // namespace
}  // namespace bramble

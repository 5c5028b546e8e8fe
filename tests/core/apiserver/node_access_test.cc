// What a node may, and what those may who want to become one.
#include "core/base/limits.h"
#include "core/crypto/x509.h"
#include "core/resources/bootstrap_token.h"
#include "core/resources/node_key.h"
#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

constexpr std::string_view kRequests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

class NodeAccess : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    make_pod("mine", "n1", "mine");
    make_pod("other", "n2", "other");
    for (const char* name : {"n1", "n2"}) {
      EXPECT_EQ(call("POST", "/api/v1/nodes", cat(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":")", name, R"("}})"))->status, 201);
    }
  }
  // A pod that uses a Secret, a ConfigMap, a claim and an account of its name; all of them are there.
  void make_pod(const std::string& name, const std::string& node_name, const std::string& what) {
    call("POST", "/api/v1/namespaces/default/secrets", cat(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":")", what, "\"}}"));
    call("POST", "/api/v1/namespaces/default/configmaps", config_map(what));
    call("POST", "/api/v1/namespaces/default/serviceaccounts", cat(R"({"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":")", what, "\"}}"));
    call("POST", "/api/v1/namespaces/default/persistentvolumeclaims",
         cat(R"({"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":")", what, R"("},"spec":{"accessModes":["ReadWriteOnce"],"volumeName":"pv-)", what,
             R"(","resources":{"requests":{"storage":"1Gi"}}}})"));
    call("POST", "/api/v1/persistentvolumes",
         cat(R"({"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"pv-)", what, R"("},"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"claimRef":{"namespace":"default","name":")",
             what, R"("},"csi":{"driver":"d.example.com","volumeHandle":"h","nodePublishSecretRef":{"namespace":"default","name":"of-volume-)", what, R"("}}}})"));
    call("POST", "/api/v1/namespaces/default/secrets", cat(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"of-volume-)", what, "\"}}"));
    std::string spec = cat(R"(,"serviceAccountName":")", what, R"(","nodeName":")", node_name, R"(","volumes":[{"name":"s","secret":{"secretName":")", what,
                           R"("}},{"name":"m","configMap":{"name":")", what, R"("}},{"name":"p","persistentVolumeClaim":{"claimName":")", what, R"("}}])");
    auto made = call("POST", std::string(kPods), pod(name, spec));
    EXPECT_EQ(made->status, 201) << made->body;
  }
  void as_node(const std::string& name) { user = cat("system:node:", name), groups = {"system:nodes"}; }
  void as_admin() { user = "admin", groups = {"system:masters"}; }
  std::string uid_of_pod(const std::string& name) {
    as_admin();
    std::string uid(uid_of(call("GET", cat(kPods, "/", name))->json()));
    as_node("n1");
    return uid;
  }
};

struct Ask {
  const char* method;
  std::string target;
  int status;
  const char* says;
};

TEST_F(NodeAccess, reads_what_its_pods_use) {
  as_node("n1");
  const std::string ns = "/api/v1/namespaces/default/";
  const std::string none = "no relationship found between node 'n1' and this object";
  const Ask asks[] = {
      {"GET", ns + "secrets/mine", 200, ""},
      {"GET", ns + "secrets/other", 403, none.c_str()},
      {"GET", ns + "secrets/not-there", 403, none.c_str()},
      {"GET", ns + "secrets?fieldSelector=metadata.name%3Dmine", 200, ""},
      {"GET", ns + "secrets?fieldSelector=metadata.name%3Dother", 403, none.c_str()},
      {"GET", ns + "secrets", 403, "No Object name found"},
      {"GET", "/api/v1/secrets", 403, "can only read namespaced object of this type"},
      {"DELETE", ns + "secrets/mine", 403, "can only read resources of this type"},
      {"GET", ns + "secrets/of-volume-mine", 200, ""},
      {"GET", ns + "secrets/of-volume-other", 403, none.c_str()},
      {"GET", ns + "configmaps/mine", 200, ""},
      {"GET", ns + "configmaps/other", 403, none.c_str()},
      {"GET", ns + "persistentvolumeclaims/mine", 200, ""},
      {"GET", ns + "persistentvolumeclaims/other", 403, none.c_str()},
      {"GET", ns + "persistentvolumeclaims", 403, "can only get individual resources of this type"},
      {"GET", "/api/v1/persistentvolumes/pv-mine", 200, ""},
      {"GET", "/api/v1/persistentvolumes/pv-other", 403, none.c_str()},
      {"GET", ns + "serviceaccounts/mine", 200, ""},
      {"GET", ns + "serviceaccounts/other", 403, none.c_str()},
      {"GET", ns + "pods/mine", 200, ""},
      {"GET", ns + "pods/other", 403, none.c_str()},
      {"GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", 200, ""},
      {"GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn2", 403, "can only list/watch pods with spec.nodeName field selector"},
      {"GET", "/api/v1/pods?fieldSelector=spec.nodeName%21%3Dn1", 403, "can only list/watch pods with spec.nodeName field selector"},
      {"GET", "/api/v1/pods", 403, "can only list/watch pods with spec.nodeName field selector"},
      {"GET", "/api/v1/nodes/n1", 200, ""},
      {"GET", "/api/v1/nodes/n2", 403, "node 'n1' cannot read 'n2', only its own Node object"},
      {"GET", "/api/v1/nodes", 403, "node 'n1' cannot read all nodes, only its own Node object"},
      {"GET", "/api/v1/services", 200, ""},
      {"GET", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n2", 403, "can only access node lease with the same name as the requesting node"},
      {"GET", "/apis/coordination.k8s.io/v1/namespaces/default/leases/n1", 403, "can only access leases in the \"kube-node-lease\" system namespace"},
      {"GET", "/apis/storage.k8s.io/v1/csinodes/n2", 403, "can only access CSINode with the same name as the requesting node"},
      {"GET", "/apis/apps/v1/deployments", 403, ""},
      {"DELETE", "/api/v1/nodes/n1", 403, ""},
  };
  for (const Ask& a : asks) {
    auto answer = call(a.method, a.target);
    EXPECT_EQ(answer->status, a.status) << a.method << " " << a.target << " " << answer->body;
    EXPECT_NE(answer->json()["message"].text().find(a.says), std::string::npos) << a.target << " " << answer->body;
  }
}

TEST_F(NodeAccess, a_pod_that_left_takes_its_secrets_along) {
  as_node("n1");
  EXPECT_EQ(call("GET", "/api/v1/namespaces/default/secrets/mine")->status, 200);
  as_admin();
  EXPECT_EQ(call("DELETE", cat(kPods, "/mine?gracePeriodSeconds=0"))->status, 200);
  as_node("n1");
  EXPECT_EQ(call("GET", "/api/v1/namespaces/default/secrets/mine")->status, 403);
}

// A node makes mirror pods: they must not open anything to it.
TEST_F(NodeAccess, a_mirror_pod_opens_nothing) {
  std::string uid(uid_of(call("GET", "/api/v1/nodes/n1")->json()));
  auto mirror = [&](std::string_view spec, std::string_view owner) {
    return cat(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"m","annotations":{"kubernetes.io/config.mirror":"x"},"ownerReferences":[)", owner,
               R"(]},"spec":{"nodeName":"n1","containers":[{"name":"c","image":"i"}])", spec, "}}");
  };
  const std::string owner = cat(R"({"apiVersion":"v1","kind":"Node","name":"n1","uid":")", uid, R"(","controller":true})");
  as_node("n1");
  struct Case {
    const char* name;
    std::string body;
    const char* says;
  };
  const Case cases[] = {
      {"no mirror", pod("m", R"(,"nodeName":"n1")"), "pod does not have \\\"kubernetes.io/config.mirror\\\" annotation, node \\\"n1\\\" can only create mirror pods"},
      {"no owner", mirror("", ""), "can only create pods with an owner reference set to itself"},
      {"not controlled", mirror("", cat(R"({"apiVersion":"v1","kind":"Node","name":"n1","uid":")", uid, "\"}")), "can only create pods with a controller owner reference set to itself"},
      {"another uid", mirror("", R"({"apiVersion":"v1","kind":"Node","name":"n1","uid":"x","controller":true})"), "UID mismatch: expected x got"},
      {"a secret", mirror(R"(,"volumes":[{"name":"v","secret":{"secretName":"other"}}])", owner), "can not create pods that reference secrets"},
      {"a config map", mirror(R"(,"volumes":[{"name":"v","configMap":{"name":"other"}}])", owner), "can not create pods that reference configmaps"},
      {"a claim", mirror(R"(,"volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"other"}}])", owner), "can not create pods that reference persistentvolumeclaims"},
      {"an account", mirror(R"(,"serviceAccountName":"other")", owner), "can not create pods that reference a service account"},
      {"right", mirror("", owner), ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    auto answer = call("POST", std::string(kPods), c.body);
    EXPECT_EQ(answer->status, *c.says ? 403 : 201) << answer->body;
    EXPECT_NE(answer->body.find(c.says), std::string::npos) << answer->body;
  }
  EXPECT_EQ(call("DELETE", cat(kPods, "/m"))->status, 200);
  auto other = call("DELETE", cat(kPods, "/other"));
  EXPECT_EQ(other->status, 403);
  EXPECT_NE(other->body.find("can only delete pods with spec.nodeName set to itself"), std::string::npos) << other->body;
}

TEST_F(NodeAccess, writes_itself_alone) {
  as_node("n1");
  struct Case {
    const char* target;
    const char* body;
    const char* says;  // "": allowed
  };
  const Case cases[] = {
      {"/api/v1/nodes/n1/status", R"({"status":{"conditions":[]}})", ""},
      {"/api/v1/nodes/n2/status", R"({"status":{"conditions":[]}})", "node \\\"n1\\\" is not allowed to modify node \\\"n2\\\""},
      {"/api/v1/nodes/n1", R"({"metadata":{"labels":{"example.com/mine":"x"}}})", ""},
      {"/api/v1/nodes/n1", R"({"metadata":{"labels":{"kubernetes.io/hostname":"n1"}}})", ""},
      {"/api/v1/nodes/n1", R"({"metadata":{"labels":{"x.node.kubernetes.io/y":"1"}}})", ""},
      {"/api/v1/nodes/n1", R"({"metadata":{"labels":{"node-restriction.kubernetes.io/pci":"yes"}}})", "is not allowed to modify labels: node-restriction.kubernetes.io/pci"},
      {"/api/v1/nodes/n1", R"({"metadata":{"labels":{"node-role.kubernetes.io/control-plane":""}}})", "is not allowed to modify labels: node-role.kubernetes.io/control-plane"},
      {"/api/v1/nodes/n1", R"({"spec":{"taints":[{"key":"x","effect":"NoSchedule"}]}})", "is not allowed to modify taints"},
      {"/api/v1/nodes/n2", R"({"spec":{"unschedulable":true}})", "is not allowed to modify node"},
      {"/api/v1/namespaces/default/pods/mine/status", R"({"status":{"phase":"Running"}})", ""},
      {"/api/v1/namespaces/default/pods/mine/status", R"({"metadata":{"labels":{"app":"x"}}})", "cannot update labels through pod status"},
      {"/api/v1/namespaces/default/pods/other/status", R"({"status":{"phase":"Failed"}})", "can only update pod status for pods with spec.nodeName set to itself"},
      {"/api/v1/namespaces/default/persistentvolumeclaims/mine/status", R"({"status":{"phase":"Lost"}})", "is not allowed to update fields other than status.capacity and status.conditions"},
  };
  for (const Case& c : cases) {
    auto answer = patch(c.target, c.body);
    EXPECT_EQ(answer->status, *c.says ? 403 : 200) << c.target << " " << c.body << " " << answer->body;
    EXPECT_NE(answer->body.find(c.says), std::string::npos) << answer->body;
  }
  auto lease = [](const char* name) { return cat(R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":")", name, "\"}}"); };
  const std::string leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
  EXPECT_EQ(call("POST", leases, lease("n1"))->status, 201);
  EXPECT_EQ(call("POST", leases, lease("n2"))->status, 403);
  EXPECT_EQ(call("POST", "/api/v1/nodes", R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n3"}})")->status, 403);
  as_node("n4");
  auto labelled = call("POST", "/api/v1/nodes", R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n4","labels":{"node-role.kubernetes.io/worker":""}}})");
  EXPECT_NE(labelled->body.find("is not allowed to set the following labels: node-role.kubernetes.io/worker"), std::string::npos) << labelled->body;
}

TEST_F(NodeAccess, evicts_its_own_pods) {
  as_node("n1");
  auto evict = [&](const char* name) {
    return call("POST", cat(kPods, "/", name, "/eviction"), cat(R"({"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":")", name, "\"}}"))->status;
  };
  EXPECT_EQ(evict("other"), 403);
  EXPECT_EQ(evict("mine"), 201);
}

TEST_F(NodeAccess, asks_for_tokens_of_its_pods) {
  const std::string mine = uid_of_pod("mine"), other = uid_of_pod("other");
  auto ask = [&](const std::string& account, const std::string& spec) {
    return call("POST", cat("/api/v1/namespaces/default/serviceaccounts/", account, "/token"),
                cat(R"({"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{)", spec, "}}"));
  };
  auto bound = [](const std::string& name, const std::string& uid) { return cat(R"("boundObjectRef":{"apiVersion":"v1","kind":"Pod","name":")", name, R"(","uid":")", uid, "\"}"); };
  struct Case {
    const char* name;
    std::string account, spec;
    int status;
    const char* says;
  };
  const Case cases[] = {
      {"its own", "mine", bound("mine", mine), 201, ""},
      {"not bound", "mine", "", 403, "node requested token not bound to a pod"},
      {"without a uid", "mine", R"("boundObjectRef":{"apiVersion":"v1","kind":"Pod","name":"mine"})", 403, "node requested token with a pod binding without a uid"},
      {"another uid", "mine", bound("mine", other), 403, "does not match the UID in record"},
      {"a pod that is not there", "mine", bound("gone", mine), 404, ""},
      {"a pod of another node", "mine", bound("other", other), 403, "node requested token bound to a pod scheduled on a different node"},
      {"another account", "other", bound("other", other), 403, "no relationship found"},
      {"an audience that no volume has", "mine", cat(R"("audiences":["vault"],)", bound("mine", mine)), 403, "audience \\\"vault\\\" not found in pod spec volume, system:node:n1 is not authorized to request tokens for this audience"},
      {"two audiences", "mine", cat(R"("audiences":["a","b"],)", bound("mine", mine)), 403, "node may only request 0 or 1 audiences"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    auto answer = ask(c.account, c.spec);
    EXPECT_EQ(answer->status, c.status) << answer->body;
    EXPECT_NE(answer->body.find(c.says), std::string::npos) << answer->body;
  }
}

// --- those who join

class Joining : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    api->tokens().use_node_token("secret");
    key_ = std::make_unique<PrivateKey>(*PrivateKey::generate_p256());
  }
  std::shared_ptr<KeptAnswer> with(const std::string& token, const std::string& method, const std::string& target, const std::string& body = {}) {
    return call(method, target, body, {{"authorization", cat("Bearer ", token)}});
  }
  std::string request(const std::string& name, const std::string& signer = "kubernetes.io/kube-apiserver-client-kubelet") {
    auto pem = make_certificate_request({"system:node:n1", {"system:nodes"}, {}, {}, false}, *key_);
    return cat(R"({"apiVersion":"certificates.k8s.io/v1","kind":"CertificateSigningRequest","metadata":{"name":")", name, R"("},"spec":{"signerName":")", signer, R"(","usages":["client auth"],"request":")",
               base64_encode(*pem), "\"}}");
  }
  void bootstrap_secret(const std::string& more, const std::string& extra_groups = "system:bootstrappers:bramble:default-node-token") {
    call("DELETE", "/api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef");
    auto made = call("POST", "/api/v1/namespaces/kube-system/secrets",
                     cat(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"bootstrap-token-abcdef"},"type":"bootstrap.kubernetes.io/token","stringData":{"token-id":"abcdef","token-secret":"0123456789abcdef","auth-extra-groups":")",
                         extra_groups, "\"", more, "}}"));
    EXPECT_EQ(made->status, 201) << made->body;
  }
  std::unique_ptr<PrivateKey> key_;
};

TEST_F(Joining, the_node_token_asks_for_a_nodes_certificate_and_nothing_else) {
  EXPECT_EQ(with("wrong", "POST", std::string(kRequests), request("a"))->status, 401);
  auto made = with("secret", "POST", std::string(kRequests), request("a"));
  ASSERT_EQ(made->status, 201) << made->body;
  EXPECT_EQ(made->json()["spec"]["username"].str(), "system:bootstrap:node");
  EXPECT_EQ(with("secret", "GET", cat(kRequests, "/a"))->status, 200) << "its own";
  EXPECT_EQ(with("secret", "GET", cat(kRequests, "?fieldSelector=metadata.name%3Da"))->status, 200);
  call("POST", std::string(kRequests), request("admins"));
  const Ask asks[] = {
      {"GET", cat(kRequests, "/admins"), 403, ""},
      {"GET", std::string(kRequests), 403, ""},
      {"DELETE", cat(kRequests, "/a"), 403, ""},
      {"PUT", cat(kRequests, "/a/approval"), 403, ""},
      {"GET", "/api/v1/nodes", 403, ""},
      {"GET", "/api/v1/namespaces/kube-system/secrets", 403, ""},
      {"GET", "/v1-bramble/client-ca.crt", 403, ""},
  };
  for (const Ask& a : asks) EXPECT_EQ(with("secret", a.method, a.target)->status, a.status) << a.method << " " << a.target;
  auto other = with("secret", "POST", std::string(kRequests), request("b", "kubernetes.io/kube-apiserver-client"));
  EXPECT_EQ(other->status, 403);
  EXPECT_NE(other->body.find("only certificates of kubernetes.io/kube-apiserver-client-kubelet may be requested"), std::string::npos) << other->body;
  api->tokens().use_node_token("new");
  EXPECT_EQ(with("secret", "POST", std::string(kRequests), request("c"))->status, 401) << "rotated";
}

TEST_F(Joining, bootstrap_tokens_end_and_have_their_use) {
  const std::string token = "abcdef.0123456789abcdef", use = R"(,"usage-bootstrap-authentication":"true")";
  struct Case {
    const char* name;
    std::string more, groups;
    int status;
  };
  const Case cases[] = {
      {"good", use, "system:bootstrappers:bramble:default-node-token", 201},
      {"not yet ended", use + R"(,"expiration":"2026-01-02T03:04:06Z")", "system:bootstrappers:bramble:default-node-token", 201},
      {"ended", use + R"(,"expiration":"2026-01-02T03:04:05Z")", "system:bootstrappers:bramble:default-node-token", 401},
      {"an end that is no time", use + R"(,"expiration":"later")", "system:bootstrappers:bramble:default-node-token", 401},
      {"not for authentication", "", "system:bootstrappers:bramble:default-node-token", 401},
      {"a group that it may not give", use, "system:masters", 401},
      {"no group that may join", use, "system:bootstrappers:mine", 403},
  };
  int n = 0;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    bootstrap_secret(c.more, c.groups);
    auto made = with(token, "POST", std::string(kRequests), request(cat("r", n++)));
    EXPECT_EQ(made->status, c.status) << made->body;
    if (c.status == 201) {
      EXPECT_EQ(made->json()["spec"]["username"].str(), "system:bootstrap:abcdef");
    }
  }
  bootstrap_secret(use);
  EXPECT_EQ(with("abcdef.0123456789abcdee", "POST", std::string(kRequests), request("x"))->status, 401);
  EXPECT_EQ(with("zzzzzz.0123456789abcdef", "POST", std::string(kRequests), request("x"))->status, 401);
}

TEST_F(Joining, a_flood_is_told_to_wait) {
  size_t made = 0;
  std::shared_ptr<KeptAnswer> last;
  for (size_t i = 0; i < limits::kJoinsBurst + 5; ++i) {
    last = with("secret", "POST", std::string(kRequests), request(cat("f", i)));
    if (last->status == 201) made++;
  }
  EXPECT_EQ(made, limits::kJoinsBurst);
  EXPECT_EQ(last->status, 429) << last->body;
  EXPECT_FALSE(last->header("retry-after").empty());
  clock.advance_us(1000000);
  EXPECT_EQ(with("secret", "POST", std::string(kRequests), request("later"))->status, 201);
  EXPECT_EQ(call("POST", std::string(kRequests), request("admins"))->status, 201) << "who does not join is not concerned";
}

TEST_F(Joining, everybody_may_fetch_the_authority) {
  user.clear(), groups.clear();
  EXPECT_EQ(call("GET", "/ping")->body, "pong");
  EXPECT_EQ(call("POST", "/cacerts")->status, 403);
  EXPECT_EQ(call("GET", "/v1-bramble/client-ca.crt")->status, 403);
}

// A certificate of a node with another key than the name's is nobody's.
TEST_F(Joining, a_nodes_name_belongs_to_its_key) {
  auto bind = [&](const std::string& key) {
    call("DELETE", "/api/v1/namespaces/kube-system/secrets/n1.node-key.bramble");
    EXPECT_EQ(call("POST", "/api/v1/namespaces/kube-system/secrets", node_key_secret({"n1", key, ""}, Document()).root().dump())->status, 201);
  };
  auto as = [&](const std::string& name, const std::string& key) {
    auto http = std::make_shared<HttpRequest>();
    http->method = "GET", http->path = cat("/api/v1/nodes/", name);
    http->peer.common_name = cat("system:node:", name), http->peer.organizations = {"system:nodes"}, http->peer.key_sha256_hex = key;
    auto answer = std::make_shared<KeptAnswer>();
    kept.push_back(answer);
    tasks.start(api->handle(http, answer));
    for (int i = 0; i < 20 && !answer->ended; ++i) settle();
    return answer->status;
  };
  EXPECT_EQ(as("n1", "k1"), 404) << "nobody has the name yet";
  bind("k1");
  EXPECT_EQ(as("n1", "k1"), 404);
  EXPECT_EQ(as("n1", "k2"), 401);
  EXPECT_EQ(as("n2", "k2"), 404) << "another name";
  bind("server");
  EXPECT_EQ(as("n1", "k1"), 401);
}

}  // namespace
}  // namespace bramble

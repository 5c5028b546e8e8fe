// Subresources with rules of their own: ephemeralcontainers, resize, approval, the status of requests, token.
#include "core/crypto/x509.h"
#include "tests/core/apiserver/api_fixture.h"

namespace bramble {
namespace {

constexpr std::string_view kRequests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

class Subresources : public ApiTest {
 protected:
  std::shared_ptr<KeptAnswer> strategic(const std::string& path, std::string body) { return patch(path, std::move(body), "strategic-merge-patch"); }
  void make_request(const std::string& name) {
    auto made = call("POST", std::string(kRequests),
                     cat(R"({"metadata":{"name":")", name,
                         R"("},"spec":{"request":")", base64_encode(make_certificate_request(CertificateSubject(), PrivateKey::generate_p256().value()).value()),
                         R"(","signerName":"example.com/mine","usages":["client auth"],"username":"forged"}})"));
    ASSERT_EQ(made->status, 201) << made->body;
  }
};

TEST_F(Subresources, ephemeral_containers_are_added_and_stay) {
  ASSERT_EQ(call("POST", std::string(kPods), pod("p"))->status, 201);
  const std::string path = cat(kPods, "/p/ephemeralcontainers");
  auto added = strategic(path, R"({"metadata":{"labels":{"x":"y"}},"spec":{"priority":7,"ephemeralContainers":[{"name":"debug","image":"busybox","targetContainerName":"c"}]}})");
  ASSERT_EQ(added->status, 200) << added->body;
  Document after = added->json();
  EXPECT_EQ(after["spec"]["ephemeralContainers"].item(0)["imagePullPolicy"].str(), "Always");
  EXPECT_EQ(after["spec"]["priority"].integer(), 0);
  EXPECT_FALSE(after["metadata"].has("labels"));
  EXPECT_EQ(after["metadata"]["generation"].integer(), 2);
  EXPECT_EQ(after["metadata"]["managedFields"].item(1)["subresource"].str(), "ephemeralcontainers");
  EXPECT_EQ(call("GET", path)->body, call("GET", cat(kPods, "/p"))->body);

  struct Case {
    const char *name, *list, *message;
  };
  const Case cases[] = {
      {"removed", "[]", "Pod \"p\" is invalid: spec.ephemeralContainers: Forbidden: existing ephemeral containers \"debug\" may not be removed\n"},
      {"changed", R"([{"name":"debug","image":"other","targetContainerName":"c"}])",
       "Pod \"p\" is invalid: spec.ephemeralContainers: Forbidden: existing ephemeral containers \"debug\" may not be changed\n"},
      {"bad", R"([{"name":"debug","image":"busybox","targetContainerName":"c"},{"name":"more","image":"i","targetContainerName":"none"}])",
       "Pod \"p\" is invalid: spec.ephemeralContainers[1].targetContainerName: Not found: \"none\""},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    auto refused = patch(path, cat(R"({"spec":{"ephemeralContainers":)", test.list, "}}"));
    EXPECT_EQ(refused->status, 422);
    EXPECT_EQ(refused->json()["message"].str().substr(0, std::string_view(test.message).size()), test.message);
  }
  EXPECT_EQ(call("PUT", path, call("GET", path)->body)->status, 200);
  EXPECT_EQ(call("POST", path, pod("p"))->status, 405);
  EXPECT_EQ(call("GET", cat(kPods, "/none/ephemeralcontainers"))->status, 404);
}

TEST_F(Subresources, resize_changes_cpu_and_memory_alone) {
  const std::string burstable = R"({"requests":{"cpu":"100m","memory":"64Mi"},"limits":{"cpu":"200m","memory":"64Mi"}})";
  auto made = call("POST", std::string(kPods), cat(R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i","resources":)", burstable, R"(},{"name":"d","image":"i"}]}})"));
  ASSERT_EQ(made->status, 201) << made->body;
  const std::string path = cat(kPods, "/p/resize");
  auto resized = strategic(path, R"({"spec":{"activeDeadlineSeconds":9,"containers":[{"name":"c","image":"other","resources":{"requests":{"cpu":"150m"}}}]}})");
  ASSERT_EQ(resized->status, 200) << resized->body;
  Document after = resized->json();
  EXPECT_EQ(after["spec"]["containers"].item(0)["resources"]["requests"]["cpu"].str(), "150m");
  EXPECT_EQ(after["spec"]["containers"].item(0)["image"].str(), "i");
  EXPECT_FALSE(after["spec"].has("activeDeadlineSeconds"));
  EXPECT_EQ(after["metadata"]["generation"].integer(), 2);
  struct Case {
    const char *name, *type, *spec, *message;
  };
  const Case cases[] = {
      {"above the limit", "strategic-merge-patch", R"({"containers":[{"name":"c","resources":{"requests":{"cpu":"1"}}}]})",
       "spec.containers[0].resources.requests: Invalid value: \"1\": must be less than or equal to cpu limit of 200m"},
      {"another resource", "strategic-merge-patch", R"({"containers":[{"name":"c","resources":{"limits":{"ephemeral-storage":"1Gi"}}}]})",
       "spec: Forbidden: only cpu and memory resources are mutable"},
      {"another order", "json-patch", R"([{"op":"move","from":"/spec/containers/0","path":"/spec/containers/1"}])",
       "[spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize, spec.containers[1].name: Forbidden: containers may not be renamed or reordered on resize]"},
      {"one more", "json-patch", R"([{"op":"add","path":"/spec/containers/-","value":{"name":"e","image":"i"}}])",
       "spec.containers: Forbidden: containers may not be added or removed on resize"},
      {"the class", "json-patch", R"([{"op":"remove","path":"/spec/containers/0/resources"}])",
       "[spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result of resizing, spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed, spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed"},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    const bool json_patch = std::string_view(test.type) == "json-patch";
    auto refused = patch(path, json_patch ? test.spec : cat(R"({"spec":)", test.spec, "}"), test.type);
    EXPECT_EQ(refused->status, 422);
    const std::string expected = cat("Pod \"p\" is invalid: ", test.message);
    EXPECT_EQ(refused->json()["message"].str().substr(0, expected.size()), expected);
  }
}

TEST_F(Subresources, requests_are_approved_and_signed_each_in_its_place) {
  make_request("r");
  const std::string path = cat(kRequests, "/r");
  Document made = call("GET", path)->json();
  EXPECT_EQ(made["spec"]["username"].str(), "admin");
  EXPECT_EQ(made["spec"]["groups"].item(0).str(), "system:masters");
  const char* approved = R"({"status":{"conditions":[{"type":"Approved","status":"True","reason":"Mine"}]}})";
  auto by_status = patch(path + "/status", approved);
  EXPECT_EQ(by_status->status, 422);
  EXPECT_EQ(by_status->json()["message"].str(),
            "CertificateSigningRequest.certificates.k8s.io \"r\" is invalid: status.conditions: Forbidden: updates may not add a condition of type \"Approved\"");
  auto by_approval = patch(path + "/approval", approved);
  ASSERT_EQ(by_approval->status, 200) << by_approval->body;
  EXPECT_EQ(by_approval->json()["status"]["conditions"].item(0)["lastUpdateTime"].str(), clock.now_rfc3339());
  EXPECT_EQ(by_approval->json()["status"]["conditions"].item(0)["lastTransitionTime"].str(), clock.now_rfc3339());
  struct Case {
    const char *name, *part, *body, *message;
  };
  const Case cases[] = {
      {"taken back", "/approval", R"({"status":{"conditions":[]}})", "status.conditions: Forbidden: updates may not remove a condition of type \"Approved\""},
      {"doubted", "/approval", R"({"status":{"conditions":[{"type":"Approved","status":"False"}]}})", "status.conditions[0].status: Unsupported value: \"False\": supported values: \"True\""},
      {"both", "/approval", R"({"status":{"conditions":[{"type":"Approved","status":"True"},{"type":"Denied","status":"True"}]}})",
       "status.conditions: Invalid value: \"Denied\": Approved and Denied conditions are mutually exclusive"},
      {"no certificate", "/status", R"({"status":{"certificate":"bm90aGluZw=="}})",
       "status.certificate: Invalid value: \"<certificate data>\": must contain at least one CERTIFICATE PEM block"},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    auto refused = patch(path + test.part, test.body);
    EXPECT_EQ(refused->status, 422);
    EXPECT_EQ(refused->json()["message"].str(), cat("CertificateSigningRequest.certificates.k8s.io \"r\" is invalid: ", test.message));
  }
  auto authority = [](std::string_view name) { return base64_encode(CertificateAuthority::create(name, 4102444800).value().certificate_pem()); };
  const std::string certificate = authority("one");
  EXPECT_FALSE(patch(path + "/approval", cat(R"({"status":{"certificate":")", certificate, R"("}})"))->json()["status"].has("certificate"));
  EXPECT_EQ(patch(path + "/status", cat(R"({"status":{"certificate":")", certificate, R"("}})"))->status, 200);
  const std::string other = authority("other");
  EXPECT_EQ(patch(path + "/status", cat(R"({"status":{"certificate":")", other, R"("}})"))->json()["message"].str(),
            "CertificateSigningRequest.certificates.k8s.io \"r\" is invalid: status.certificate: Forbidden: updates may not modify existing certificate content");
}

TEST_F(Subresources, a_token_request_names_its_account) {
  auto ask = [&](const char* metadata) {
    return call("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", cat(R"({"metadata":)", metadata, R"(,"spec":{"audiences":[]}})"));
  };
  EXPECT_EQ(ask("{}")->status, 201);
  EXPECT_EQ(ask(R"({"name":"default","namespace":"default"})")->status, 201);
  auto other = ask(R"({"name":"other"})");
  EXPECT_EQ(other->status, 422);
  EXPECT_EQ(other->json()["message"].str(),
            "TokenRequest.authentication.k8s.io \"default\" is invalid: metadata.name: Invalid value: \"other\": must match the service account name if specified");
}

}  // namespace
}  // namespace bramble

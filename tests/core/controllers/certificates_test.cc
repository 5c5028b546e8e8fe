// Who gets which certificate, and when requests and tokens go.
#include "core/controllers/csr_rules.h"
#include "core/base/limits.h"
#include "core/controllers/all.h"
#include "core/crypto/hash.h"
#include "core/json/builder.h"
#include "core/resources/node_key.h"
#include "tests/core/controllers/plan_text.h"

namespace bramble {
namespace {

const PrivateKey& key_of_node() {
  static const PrivateKey key = *PrivateKey::generate_p256();
  return key;
}

std::string key_hash() { return sha256_hex(key_of_node().public_key().der()); }

struct Asked {
  std::string signer = "kubernetes.io/kube-apiserver-client-kubelet";
  CertificateSubject subject{"system:node:n1", {"system:nodes"}, {}, {}, false};
  std::vector<std::string> usages = {"digital signature", "client auth"};
  std::string user = "system:bootstrap:node";
  std::vector<std::string> groups = {"system:bootstrappers", "system:authenticated"};
  std::string status = "{}";
  int64_t expiration_s = 0;
};

std::string request(const Asked& a) {
  auto pem = make_certificate_request(a.subject, key_of_node());
  EXPECT_TRUE(pem.ok());
  Builder b;
  Mut o = b.root();
  o.set("apiVersion", "certificates.k8s.io/v1");
  o.set("kind", "CertificateSigningRequest");
  Mut m = o.object("metadata");
  m.set("name", "r");
  m.set("creationTimestamp", "2026-01-02T03:04:05Z");
  Mut spec = o.object("spec");
  spec.set("request", base64_encode(*pem));
  spec.set("signerName", a.signer);
  spec.set("username", a.user);
  for (const std::string& g : a.groups) spec.array("groups").append(g);
  for (const std::string& u : a.usages) spec.array("usages").append(u);
  if (a.expiration_s) spec.set("expirationSeconds", a.expiration_s);
  auto status = Document::parse(std::string_view(a.status));
  o.set("status", status->root());
  return b.dump();
}

std::string known_key(const std::string& key, const std::string& refused = "") { return node_key_secret({"n1", key, refused}, Document()).root().dump(); }
std::string node(const std::string& name, const std::string& address) {
  return cat(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":")", name, R"("},"status":{"addresses":[{"type":"InternalIP","address":")", address, R"("}]}})");
}

// Upstream's rules as RBAC binds them here: tokens may "nodeclient", nodes may "selfnodeclient".
Controller approver() {
  NodeCertificateOptions o;
  o.server_names = {"kubernetes", "10.0.0.1", "10.43.0.1"};
  o.may = [](const Identity& user, std::string_view what) {
    std::string group = what == "nodeclient" ? "system:bootstrappers" : "system:nodes";
    return std::find(user.groups.begin(), user.groups.end(), group) != user.groups.end();
  };
  return node_certificates_controller(o);
}

Asked by_node(Asked a, const std::string& name = "n1") {
  a.user = cat("system:node:", name);
  a.groups = {"system:nodes", "system:authenticated"};
  return a;
}
Asked serving(std::vector<std::string> dns, std::vector<std::string> ips) {
  Asked a;
  a.signer = "kubernetes.io/kubelet-serving";
  a.subject.dns_names = std::move(dns), a.subject.ip_addresses = std::move(ips);
  a.usages = {"digital signature", "server auth"};
  return by_node(a);
}
Asked part(const std::string& name, std::vector<std::string> groups) {
  Asked a;
  a.signer = "kubernetes.io/kube-apiserver-client";
  a.subject = {name, std::move(groups), {}, {}, false};
  return by_node(a);
}

TEST(NodeCertificates, a_name_belongs_to_its_first_key) {
  const ObjectKey r{"", "r"};
  const std::string approved = R"(update certificatesigningrequests/approval r ~ "type":"Approved","status":"True","reason":"AutoApproved","message":"Auto approving kubelet client certificate after SubjectAccessReview.")";
  const std::string approved_self = R"(update certificatesigningrequests/approval r ~ "message":"Auto approving self kubelet client certificate after SubjectAccessReview.")";
  const std::string other(64, 'b');
  Asked wrong_group, dns, serves, stranger, named_else = by_node(Asked(), "n2");
  wrong_group.subject.organizations = {"system:masters"};
  dns.subject.dns_names = {"n1"};
  serves.usages = {"digital signature", "server auth"};
  stranger.user = "eve", stranger.groups = {"system:authenticated"};
  Asked decided;
  decided.status = R"({"conditions":[{"type":"Approved","status":"True"}]})";
  check_reconcile(approver(), {
      {"the first", {request({})}, r, {cat("create secrets kube-system/n1.node-key.bramble ~ \"key\":\"", base64_encode(key_hash())), approved}},
      {"the same again", {request({}), known_key(key_hash())}, r, {approved}},
      {"another", {request({}), known_key(other)}, r,
       {cat("update secrets kube-system/n1.node-key.bramble ~ \"key\":\"", base64_encode(other), "\" ~ \"refused\":\"", base64_encode(key_hash())),
        R"(update certificatesigningrequests/approval r ~ "type":"Denied","status":"True","reason":"NodeNameTaken" ~ bramble node approve n1)"}},
      {"another, which was refused before", {request({}), known_key(other, key_hash())}, r, {R"(update certificatesigningrequests/approval r ~ "type":"Denied")"}},
      {"the name of a server's own node", {request({}), known_key("server")}, r,
       {"update secrets", R"(update certificatesigningrequests/approval r ~ "type":"Denied")"}},
      {"approved by an admin for whichever comes", {request({}), known_key("")}, r, {"update secrets kube-system/n1.node-key.bramble", approved}},
      {"the node renews its certificate", {request(by_node({})), known_key(key_hash())}, r, {approved_self}},
      {"the node takes a new key", {request(by_node({})), known_key(other)}, r, {"update secrets kube-system/n1.node-key.bramble", approved_self}},
      {"a node under the name of another", {request(named_else)}, r, {}},
      {"who may not", {request(stranger)}, r, {}},
      {"a group of its own choice", {request(wrong_group)}, r, {}},
      {"alternative names", {request(dns)}, r, {}},
      {"for serving", {request(serves)}, r, {}},
      {"decided already", {request(decided)}, r, {}},
      {"gone", {}, r, {}},
  });
}

// After a repair of the store nobody gets a name because its key is missing.
TEST(NodeCertificates, a_name_whose_key_may_be_lost_waits) {
  MapSnapshot s = snapshot_of({request({})});
  s.doubt(true);
  Plan plan = approver().reconcile(s, {"", "r"}, at());
  EXPECT_TRUE(plan.writes.empty());
  EXPECT_TRUE(plan.requeue_after_ms.has_value());
}

TEST(NodeCertificates, a_node_serves_under_its_own_names) {
  const ObjectKey r{"", "r"};
  const std::string approved = R"(update certificatesigningrequests/approval r ~ "type":"Approved")", denied = R"(update certificatesigningrequests/approval r ~ "type":"Denied" ~ NotTheNodesAddress)";
  Asked of_other = serving({"n1"}, {"10.0.0.2"});
  of_other.user = "system:node:n2";
  Asked by_token = serving({"n1"}, {"10.0.0.2"});
  by_token.user = "system:bootstrap:node", by_token.groups = {"system:bootstrappers"};
  check_reconcile(approver(), {
      {"before its Node is made", {request(serving({"n1"}, {"10.0.0.2"}))}, r, {approved}},
      {"an address that its Node tells", {request(serving({"n1"}, {"10.0.0.2"})), node("n1", "10.0.0.2")}, r, {approved}},
      {"an address that its Node does not tell yet", {request(serving({"n1"}, {"10.0.0.3"})), node("n1", "10.0.0.2")}, r, {}},
      {"another node's address", {request(serving({"n1"}, {"10.0.0.3"})), node("n2", "10.0.0.3")}, r, {denied}},
      {"the server's address", {request(serving({"n1"}, {"10.0.0.1"}))}, r, {denied}},
      {"the API's Service", {request(serving({"n1"}, {"10.43.0.1"}))}, r, {denied}},
      {"loopback", {request(serving({"n1"}, {"127.0.0.1"}))}, r, {denied}},
      {"the API's name", {request(serving({"kubernetes"}, {}))}, r, {denied}},
      {"a Service's name", {request(serving({"db.default.svc"}, {}))}, r, {denied}},
      {"another's name", {request(serving({"n2"}, {"10.0.0.2"}))}, r, {denied}},
      {"for another node", {request(of_other)}, r, {}},
      {"by a token", {request(by_token)}, r, {}},
  });
  Document was = *Document::parse(node("n1", "10.0.0.2")), is = *Document::parse(node("n1", "10.0.0.3"));
  MapSnapshot s = snapshot_of({request(serving({"n1"}, {"10.0.0.3"}))});
  EXPECT_EQ(keys_of(approver(), s, {resource_ids::kNodes, was, is}), std::vector<std::string>{"r"}) << "new addresses wake what waits for them";
  EXPECT_TRUE(keys_of(approver(), s, {resource_ids::kNodes, is, is}).empty());
}

TEST(NodeCertificates, a_nodes_parts_are_its_proxy_and_its_dns) {
  const ObjectKey r{"", "r"};
  const std::string approved = R"(update certificatesigningrequests/approval r ~ "type":"Approved")";
  const std::string dns = "system:serviceaccount:kube-system:kube-dns";
  Asked by_token = part("system:kube-proxy", {});
  by_token.user = "system:bootstrap:node", by_token.groups = {"system:bootstrappers"};
  Asked serves = part("system:kube-proxy", {});
  serves.usages.push_back("server auth");
  check_reconcile(approver(), {
      {"proxy", {request(part("system:kube-proxy", {}))}, r, {approved}},
      {"dns", {request(part(dns, {"system:serviceaccounts", "system:serviceaccounts:kube-system"}))}, r, {approved}},
      {"what network policies need", {request(part("system:bramble-controller", {}))}, r, {approved}},
      {"proxy with a group", {request(part("system:kube-proxy", {"system:masters"}))}, r, {}},
      {"dns with other groups", {request(part(dns, {"system:serviceaccounts", "system:masters"}))}, r, {}},
      {"an admin", {request(part("admin", {}))}, r, {}},
      {"by a token", {request(by_token)}, r, {}},
      {"also for serving", {request(serves)}, r, {}},
  });
}

CertificateAuthorities authorities() {
  static const CertificateAuthorities both = [] {
    CertificateAuthorities out;
    out.client = std::make_shared<const CertificateAuthority>(*CertificateAuthority::create("client", kNowUs / 1000000 + 3650LL * 86400));
    out.server = std::make_shared<const CertificateAuthority>(*CertificateAuthority::create("server", kNowUs / 1000000 + 3650LL * 86400));
    return out;
  }();
  return both;
}

TEST(CsrSigning, issues_what_was_approved_by_the_signers_authority) {
  struct Case {
    const char* name;
    Asked asked;
    const char* issuer;  // "": not issued
    int64_t life_s;
    const char* failure;
  };
  auto approved = [](Asked a, int64_t expiration_s = 0) {
    a.status = R"({"conditions":[{"type":"Approved","status":"True"}]})";
    a.expiration_s = expiration_s;
    return a;
  };
  Asked wrong, denied = approved({}), other = approved({}), failed = approved({});
  wrong.subject.organizations = {"x"};
  denied.status = R"({"conditions":[{"type":"Approved","status":"True"},{"type":"Denied","status":"True"}]})";
  failed.status = R"({"conditions":[{"type":"Approved","status":"True"},{"type":"Failed","status":"True"}]})";
  other.signer = "example.com/mine";
  const int64_t year = 365LL * 86400;
  const Case cases[] = {
      {"client of a kubelet", approved({}), "client", year, ""},
      {"shorter", approved({}, 3600), "client", 3600, ""},
      {"longer is cut", approved({}, 20 * year), "client", year, ""},
      {"serving", approved(serving({"n1"}, {"10.0.0.2"})), "server", year, ""},
      {"client", approved(part("jane", {"dev"})), "client", year, ""},
      {"not approved", {}, "", 0, ""},
      {"denied", denied, "", 0, ""},
      {"failed", failed, "", 0, ""},
      {"of another signer", other, "", 0, ""},
      {"not what the signer issues", approved(wrong), "", 0, "subject organization is not system:nodes"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    MapSnapshot s = snapshot_of({request(c.asked)});
    Plan plan = csr_signing_controller(authorities()).reconcile(s, {"", "r"}, at());
    ASSERT_EQ(plan.writes.size(), *c.issuer || *c.failure ? 1u : 0u);
    if (plan.writes.empty()) continue;
    EXPECT_EQ(plan.writes[0].options.subresource, "status");
    Value status = plan.writes[0].body["status"];
    if (*c.failure) {
      EXPECT_EQ(status["conditions"].item(1)["reason"].str(), "SignerValidationFailure");
      EXPECT_EQ(status["conditions"].item(1)["message"].str(), c.failure);
      continue;
    }
    auto info = parse_certificate(*base64_decode(status["certificate"].str()));
    ASSERT_TRUE(info.ok());
    EXPECT_EQ(info->issuer_common_name, c.issuer);
    EXPECT_EQ(info->not_after_s, kNowUs / 1000000 + c.life_s);
    EXPECT_EQ(info->subject.common_name, c.asked.subject.common_name);
    EXPECT_EQ(info->key_sha256_hex, key_hash());
    EXPECT_EQ(info->server_auth, c.issuer == std::string("server"));
    EXPECT_EQ(info->client_auth, c.issuer == std::string("client"));
  }
}

// A board whose clock says 1970 issues as of the time that its release knows.
TEST(CsrSigning, an_unset_clock_issues_as_of_the_floor) {
  Asked a;
  a.status = R"({"conditions":[{"type":"Approved","status":"True"}]})";
  MapSnapshot s = snapshot_of({request(a)});
  CertificateAuthorities by = authorities();
  by.time_floor_s = kNowUs / 1000000;
  Plan plan = csr_signing_controller(by).reconcile(s, {"", "r"}, {0, 0});
  auto info = parse_certificate(*base64_decode(plan.writes.at(0).body["status"]["certificate"].str()));
  EXPECT_EQ(info->not_after_s, by.time_floor_s + limits::kCsrLifeS);
}

TEST(CsrCleaner, requests_go_when_nobody_needs_them) {
  Asked approved, denied, issued;
  approved.status = R"({"conditions":[{"type":"Approved","status":"True","lastUpdateTime":"2026-01-02T03:04:05Z"}]})";
  denied.status = R"({"conditions":[{"type":"Denied","status":"True","lastUpdateTime":"2026-01-02T03:04:05Z"}]})";
  auto pem = authorities().client->issue({"x", {}, {}, {}, false}, key_of_node().public_key(), {false, true, kNowUs / 1000000 + 60});
  issued.status = cat(R"({"conditions":[{"type":"Approved","status":"True","lastUpdateTime":"2026-01-02T03:04:05Z"}],"certificate":")", base64_encode(*pem), "\"}");
  struct Case {
    const char* name;
    Asked asked;
    int64_t after_s;  // it goes; 0: it stays
  };
  const Case cases[] = {{"pending", {}, 24 * 3600}, {"approved, not issued", approved, 0}, {"denied", denied, 3600}, {"issued, and ends soon", issued, 60}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    MapSnapshot s = snapshot_of({request(c.asked)});
    Controller cleaner = csr_cleaner_controller();
    Plan before = cleaner.reconcile(s, {"", "r"}, at((c.after_s - 1) * 1000000));
    EXPECT_TRUE(before.writes.empty());
    EXPECT_EQ(before.requeue_after_ms.value_or(0), c.after_s ? 1001 : 0);
    Plan after = cleaner.reconcile(s, {"", "r"}, at(c.after_s * 1000000 + 1000));
    EXPECT_EQ(after.writes.size(), c.after_s ? 1u : 0u);
  }
}

std::string secret(const std::string& name, const std::string& type, const std::string& expiration) {
  return cat(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":")", name, R"(","namespace":"kube-system"},"type":")", type, R"(","data":{"token-id":")", base64_encode("abcdef"),
             "\"", expiration.empty() ? "" : cat(",\"expiration\":\"", base64_encode(expiration), "\""), "}}");
}

TEST(TokenCleaner, tokens_that_have_ended_go) {
  const ObjectKey key{"kube-system", "bootstrap-token-abcdef"};
  const std::string type = "bootstrap.kubernetes.io/token", name = "bootstrap-token-abcdef";
  check_reconcile(token_cleaner_controller(), {
      {"ended", {secret(name, type, "2026-01-02T03:04:04Z")}, key, {"delete secrets kube-system/bootstrap-token-abcdef"}},
      {"no time", {secret(name, type, "soon")}, key, {"delete secrets kube-system/bootstrap-token-abcdef"}},
      {"still good", {secret(name, type, "2026-01-02T03:05:05Z")}, key, {}},
      {"without an end", {secret(name, type, "")}, key, {}},
      {"of another type", {secret(name, "Opaque", "2026-01-02T03:04:04Z")}, key, {}},
  });
  MapSnapshot s = snapshot_of({secret(name, type, "2026-01-02T03:05:05Z")});
  EXPECT_EQ(token_cleaner_controller().reconcile(s, key, at()).requeue_after_ms.value_or(0), 60001);
}

}  // namespace
}  // namespace bramble

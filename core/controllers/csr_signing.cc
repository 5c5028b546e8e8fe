// CSR signing: issues what was approved, for Kubernetes' own signers: kube-apiserver-client and its -kubelet by the client
// authority, kubelet-serving by the server authority. One that cannot be issued fails for good.
// Watches: certificatesigningrequests. Writes: their status. Upstream: pkg/controller/certificates/signer.
#include <algorithm>

#include "core/base/limits.h"
#include "core/controllers/all.h"
#include "core/controllers/csr_rules.h"
#include "core/controllers/object_writes.h"

namespace bramble {

namespace {

struct Signer {
  const CertificateAuthority* authority = nullptr;  // null: none of ours
  std::string fault;
};

Signer signer_of(const CertificateAuthorities& by, const Document& request, const AskedCertificate& asked) {
  std::string_view name = request["spec"]["signerName"].str();
  if (name == kKubeletClientSigner) return {by.client.get(), kubelet_client_fault(asked)};
  if (name == kKubeletServingSigner) return {by.server.get(), kubelet_serving_fault(asked)};
  if (name == kApiClientSigner) return {by.client.get(), api_client_fault(asked)};
  return {};
}

int64_t life_s(const Document& request) {
  Value asked = request["spec"]["expirationSeconds"];
  if (!asked) return limits::kCsrLifeS;
  return std::clamp(asked.integer(), limits::kCsrLifeMinS, limits::kCsrLifeS);
}

Document failed(const Document& request, std::string_view why) {
  Builder b(request.root());
  Mut c = b.root().object("status").array("conditions").append_object();
  c.set("type", "Failed");
  c.set("status", "True");
  c.set("reason", "SignerValidationFailure");
  c.set("message", why);
  return b.finish();
}

Plan sign(const Snapshot& snapshot, const ObjectKey& key, const Moment& now, const CertificateAuthorities& by) {
  Plan plan;
  Document request = snapshot.get(kCertificateRequests, "", key.name);
  if (!request || state_of(request) != CsrState::kApproved || has_failed(request)) return plan;
  if (!request["status"]["certificate"].str().empty()) return plan;
  auto asked = asked_of(request);
  if (!asked) return plan;
  Signer signer = signer_of(by, request, *asked);
  if (!signer.authority) return plan;
  LeafOptions leaf;
  leaf.server_auth = asked->usages.count("server auth") != 0, leaf.client_auth = asked->usages.count("client auth") != 0;
  leaf.not_after_s = std::max(now.wall_us / 1000000, by.time_floor_s) + life_s(request);
  std::string fault = std::move(signer.fault), pem;
  if (fault.empty()) {
    auto issued = signer.authority->issue(asked->subject, asked->key, leaf);
    if (issued.ok()) pem = std::move(*issued);
    else fault = issued.error().message();
  }
  Document next;
  if (fault.empty()) {
    Builder b(request.root());
    b.root().object("status").set("certificate", base64_encode(pem));
    next = b.finish();
  } else {
    next = failed(request, fault);
  }
  plan.writes.push_back(update_write(kCertificateRequests, std::move(next), "status"));
  return plan;
}

void keys(const Snapshot&, const Change& change, const KeySink& sink) {
  if (change.after && state_of(change.after) == CsrState::kApproved) sink(key_of(change.after));
}

}  // namespace

Controller csr_signing_controller(CertificateAuthorities authorities) {
  auto reconcile = [by = std::move(authorities)](const Snapshot& snapshot, const ObjectKey& key, const Moment& now) { return sign(snapshot, key, now, by); };
  return {"csrsigning", "certificate-controller", "csrsigning", {kCertificateRequests}, {}, keys, reconcile, {}};
}

}  // namespace bramble

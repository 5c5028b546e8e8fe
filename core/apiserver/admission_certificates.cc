#include "core/apiserver/admission_certificates.h"

#include "core/base/strings.h"
#include "core/crypto/x509.h"

namespace bramble {

namespace {

constexpr std::string_view kClientSigner = "kubernetes.io/kube-apiserver-client";

// For the signer itself, or for all of its domain ("example.com/*").
bool may(const Authorizer& authorizer, const Identity& user, std::string_view verb, std::string_view signer) {
  Attributes what;
  what.verb = verb, what.group = "certificates.k8s.io", what.version = "*", what.resource = "signers";
  what.name = signer;
  if (authorizer.allows(user, what)) return true;
  what.name = cat(signer.substr(0, signer.find('/')), "/*");
  return authorizer.allows(user, what);
}

std::string asks_for_masters(Value object) {
  if (object["spec"]["signerName"].str() != kClientSigner) return {};
  auto pem = base64_decode(object["spec"]["request"].str());
  if (!pem) return "failed to parse CSR: illegal base64 data";
  auto request = parse_certificate_request(*pem);
  if (!request.ok()) return cat("failed to parse CSR: ", request.error().message());
  for (const std::string& group : request->subject.organizations) {
    if (group == "system:masters") return cat("use of ", kClientSigner, " signer with system:masters group is not allowed");
  }
  return {};
}

}  // namespace

void note_asker(const Identity& user, Mut request) {
  Mut spec = request.object("spec");
  for (const char* key : {"username", "uid", "groups", "extra"}) spec.remove(key);
  if (!user.user.empty()) spec.set("username", user.user);
  if (!user.uid.empty()) spec.set("uid", user.uid);
  for (const std::string& group : user.groups) spec.array("groups").append(group);
  for (const auto& [key, values] : user.extra) {
    Mut list = spec.object("extra").array(key);
    for (const std::string& v : values) list.append(v);
  }
}

std::string forbidden_request(const Authorizer& authorizer, const AdmissionCall& call, Value object, Value old) {
  std::string_view signer = old["spec"]["signerName"].str();
  if (call.subresource.empty()) return old ? std::string() : asks_for_masters(object);
  if (call.subresource == "approval" && !may(authorizer, call.user, "approve", signer)) {
    return cat("user not permitted to approve requests with signerName ", go_quote(signer));
  }
  if (call.subresource != "status") return {};
  const bool same = equal(object["status"]["certificate"], old["status"]["certificate"]) && equal(object["status"]["conditions"], old["status"]["conditions"]);
  if (same || may(authorizer, call.user, "sign", signer)) return {};
  return cat("user not permitted to sign requests with signerName ", go_quote(signer));
}

}  // namespace bramble

// CertificateSigningRequest: a wish for a certificate, approved and signed by others.
#include "core/base/clock.h"
#include "core/resources/cells.h"
#include "core/resources/kinds.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

void validate_csr(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  const auto request = base64_decode(spec["request"].str());
  if (!request || request->find("-----BEGIN CERTIFICATE REQUEST-----") == std::string::npos)
    errors.invalid(at.at("request"), spec["request"], "PEM block type must be CERTIFICATE REQUEST");
  if (spec["usages"].size() == 0) errors.required(at.at("usages"));
  const std::string_view signer = spec["signerName"].str();
  if (signer.empty())
    errors.required(at.at("signerName"));
  else if (signer.find('/') == std::string_view::npos)
    errors.invalid(at.at("signerName"), signer,
                   "must be a fully qualified domain and path of the form 'example.com/signer-name'");
  if (spec.has("expirationSeconds") && spec["expirationSeconds"].integer() < 600)
    errors.invalid(at.at("expirationSeconds"), spec["expirationSeconds"].integer(),
                   "may not specify a duration less than 600 seconds (10 minutes)");
}

std::string csr_condition(Value o) {
  bool approved = false, denied = false, failed = false;
  for (Value c : o["status"]["conditions"].items()) {
    approved = approved || c["type"].str() == "Approved";
    denied = denied || c["type"].str() == "Denied";
    failed = failed || c["type"].str() == "Failed";
  }
  std::string text = denied ? "Denied" : approved ? "Approved" : "Pending";
  if (failed) text += ",Failed";
  if (!o["status"]["certificate"].str().empty()) text += ",Issued";
  return text;
}

std::string requested_duration(Value o) {
  const Value seconds = o["spec"]["expirationSeconds"];
  return o["spec"].has("expirationSeconds") ? human_duration(seconds.integer() * 1000000) : std::string("<none>");
}

}  // namespace

void csr_rules(Kind& k) {
  with_status(k);
  // The request is the client's once and for all.
  k.prepare_update = [](Mut o, Value old) {
    keep_spec(o, old);
    keep_status(o, old);
  };
  k.validate = validate_csr;
  k.columns = {
      name_column(),
      age_column(),
      {"SignerName", kText, [](Value o) { return o["spec"]["signerName"].str("<none>"); }},
      {"Requestor", kText, [](Value o) { return o["spec"]["username"].str(); }},
      {"RequestedDuration", kText, [](Value o) { return requested_duration(o); }},
      {"Condition", kText, [](Value o) { return csr_condition(o); }},
  };
  k.selectable = {{"spec.signerName", [](Value o) { return o["spec"]["signerName"].text(); }}};
}

}  // namespace bramble

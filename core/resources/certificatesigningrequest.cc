// CertificateSigningRequest: a wish for a certificate, approved and signed by others.
#include <algorithm>
#include <set>

#include "core/base/clock.h"
#include "core/crypto/pem.h"
#include "core/crypto/x509_faults.h"
#include "core/resources/cells.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/subresource_rules.h"
#include "core/resources/text_diff.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

constexpr std::string_view kUsages[] = {
    "any",           "cert sign",         "client auth",       "code signing",     "content commitment", "crl sign",
    "data encipherment", "decipher only", "digital signature", "email protection", "encipher only",      "ipsec end system",
    "ipsec tunnel",  "ipsec user",        "key agreement",     "key encipherment", "microsoft sgc",      "netscape sgc",
    "ocsp signing",  "s/mime",            "server auth",       "signing",          "timestamping",
};

// What was wrong before an update may stay so.
struct Leniency {
  bool unknown_usages = false, duplicate_usages = false;
  bool both_decisions = false, duplicate_conditions = false, empty_conditions = false;
  bool certificate = false;  // any text
};

bool known_usage(Value usage) { return std::find(std::begin(kUsages), std::end(kUsages), usage.str()) != std::end(kUsages); }

bool has_duplicates(Value list, const char* field) {
  std::set<std::string> seen;
  for (Value v : list.items())
    if (!seen.insert(field ? v[field].text() : v.text()).second) return true;
  return false;
}

std::vector<Value> conditions_of(Value o, std::string_view type) {
  std::vector<Value> out;
  for (Value c : o["status"]["conditions"].items())
    if (c["type"].str() == type) out.push_back(c);
  return out;
}

// Why this is no list of certificates in PEM, or "".
std::string certificate_fault(Value certificate) {
  const std::string pem = base64_decode(certificate.str()).value_or("");
  if (pem.empty()) return {};
  size_t blocks = 0;
  std::string_view rest = pem;
  for (auto block = next_pem_block(rest); block; block = next_pem_block(rest), ++blocks) {
    if (block->type != "CERTIFICATE") return cat("only CERTIFICATE PEM blocks are allowed, found ", go_quote(block->type));
    if (block->has_headers) return "no PEM block headers are permitted";
    if (block->bytes.empty()) return "found CERTIFICATE PEM block containing 0 certificates";
    if (std::string fault = certificates_fault(block->bytes); !fault.empty()) return fault;
  }
  return blocks == 0 ? "must contain at least one CERTIFICATE PEM block" : "";
}

// Why this is no request in PEM that is signed by its own key, or "".
std::string request_fault(Value request) {
  const std::string pem = base64_decode(request.str()).value_or("");
  std::string_view rest = pem;
  const auto block = next_pem_block(rest);
  if (!block || block->type != "CERTIFICATE REQUEST") return "PEM block type must be CERTIFICATE REQUEST";
  return certificate_request_fault(block->bytes);
}

Leniency leniency(Value o, Value old) {
  Leniency out;
  if (!old) return out;
  const Value usages = old["spec"]["usages"], conditions = old["status"]["conditions"];
  for (Value u : usages.items()) out.unknown_usages = out.unknown_usages || !known_usage(u);
  out.duplicate_usages = has_duplicates(usages, nullptr);
  out.both_decisions = !conditions_of(old, "Approved").empty() && !conditions_of(old, "Denied").empty();
  out.duplicate_conditions = has_duplicates(conditions, "type");
  out.empty_conditions = !conditions_of(old, "").empty();
  const Value certificate = old["status"]["certificate"];
  out.certificate = equal(o["status"]["certificate"], certificate) || !certificate_fault(certificate).empty();
  return out;
}

// "example.com/name": a domain of two labels at least, and a path of DNS names.
void validate_signer_name(std::string_view name, const Path& at, FieldErrors& errors) {
  if (name.empty()) return errors.required(at);
  const std::vector<std::string_view> parts = split(name, '/');
  if (parts.size() != 2)
    return errors.invalid(at, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
  if (parts[0].size() > 253) errors.too_long(at, 253);
  auto check = [&](std::string_view part, std::vector<std::string> (*rule)(std::string_view)) {
    for (std::string_view label : split(part, '.')) {
      const std::vector<std::string> faults = rule(label);
      for (const std::string& fault : faults) errors.invalid(at, part, cat("validating label ", go_quote(label), ": ", fault));
      if (!faults.empty()) return;
    }
  };
  check(parts[0], check_dns1123_label);
  if (parts[0].find('.') == std::string_view::npos)
    errors.invalid(at, parts[0], "should be a domain with at least two segments separated by dots");
  check(parts[1], check_dns1123_subdomain);
}

void validate_usages(Value usages, const Path& at, const Leniency& may, FieldErrors& errors) {
  if (usages.size() == 0) errors.required(at);
  for (size_t i = 0; i < usages.size(); ++i)
    if (!may.unknown_usages && !known_usage(usages.item(i)))
      errors.not_supported(at.at(i), usages.item(i).str(), {std::begin(kUsages), std::end(kUsages)});
  std::set<std::string> seen;
  for (size_t i = 0; i < usages.size(); ++i)
    if (!seen.insert(usages.item(i).text()).second && !may.duplicate_usages) errors.duplicate(at.at(i), usages.item(i).str());
}

void validate_conditions(Value conditions, const Path& at, const Leniency& may, FieldErrors& errors) {
  std::set<std::string> seen;
  bool approved = false, denied = false;
  for (size_t i = 0; i < conditions.size(); ++i) {
    const Value c = conditions.item(i);
    const Path here = at.at(i);
    const std::string type = c["type"].text();
    if (type.empty() && !may.empty_conditions) errors.required(here.at("type"));
    const bool final = type == "Approved" || type == "Denied" || type == "Failed";
    const std::string_view status = c["status"].str();
    if (status.empty())
      errors.required(here.at("status"));
    else if (final && status != "True")
      errors.not_supported(here.at("status"), status, {"True"});
    else if (status != "True" && status != "False" && status != "Unknown")
      errors.not_supported(here.at("status"), status, {"False", "True", "Unknown"});
    approved = approved || type == "Approved";
    denied = denied || type == "Denied";
    if ((type == "Approved" || type == "Denied") && approved && denied && !may.both_decisions)
      errors.invalid(at, type, "Approved and Denied conditions are mutually exclusive");
    if (!seen.insert(type).second && !may.duplicate_conditions) errors.duplicate(here.at("type"), type);
  }
}

void validate_request(Value o, Value old, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"];
  const Leniency may = leniency(o, old);
  if (!old || spec["request"].str() != old["spec"]["request"].str()) {
    const std::string fault = request_fault(spec["request"]);
    if (!fault.empty()) errors.invalid(at.at("request"), spec["request"].is_string() ? spec["request"] : Value(), fault);
  }
  validate_usages(spec["usages"], at.at("usages"), may, errors);
  constexpr std::string_view kLegacy = "kubernetes.io/legacy-unknown";
  if (spec["signerName"].str() == kLegacy && old["spec"]["signerName"].str() != kLegacy)
    errors.invalid(at.at("signerName"), kLegacy, "the legacy signerName is not allowed via this API version");
  else
    validate_signer_name(spec["signerName"].str(), at.at("signerName"), errors);
  if (spec.has("expirationSeconds") && spec["expirationSeconds"].integer() < 600)
    errors.invalid(at.at("expirationSeconds"), spec["expirationSeconds"].integer(),
                   "may not specify a duration less than 600 seconds (10 minutes)");
  validate_conditions(o["status"]["conditions"], Path("status").at("conditions"), may, errors);
  if (may.certificate) return;
  const std::string fault = certificate_fault(o["status"]["certificate"]);
  if (!fault.empty()) errors.invalid(Path("status").at("certificate"), "<certificate data>", fault);
}

void validate_csr(Value o, FieldErrors& errors) { validate_request(o, Value(), errors); }

std::string pretty(const std::vector<Value>& conditions) {
  std::string out;
  for (Value c : conditions) out += c.dump_pretty();
  return out;
}

// Decisions are never taken back; who approves does not sign, and the other way round.
void validate_change(Value o, Value old, bool approves, bool signs, FieldErrors& errors) {
  validate_request(o, old, errors);
  const Path conditions = Path("status").at("conditions"), certificate = Path("status").at("certificate");
  for (const char* type : {"Approved", "Denied", "Failed"})
    if (conditions_of(o, type).size() < conditions_of(old, type).size())
      errors.forbidden(conditions, cat("updates may not remove a condition of type ", go_quote(type)));
  for (const char* type : {"Approved", "Denied"}) {
    const std::vector<Value> now = conditions_of(o, type), was = conditions_of(old, type);
    if (approves || now.size() < was.size()) continue;
    if (now.size() > was.size())
      errors.forbidden(conditions, cat("updates may not add a condition of type ", go_quote(type)));
    else if (pretty(now) != pretty(was))
      errors.forbidden(conditions, cat("updates may not modify a condition of type ", go_quote(type), "\n", unified_diff(pretty(was), pretty(now))));
  }
  const Value now = o["status"]["certificate"], was = old["status"]["certificate"];
  if (now.str() == was.str()) return;
  if (!signs)
    errors.forbidden(certificate, "updates may not set certificate content");
  else if (!was.str().empty())
    errors.forbidden(certificate, "updates may not modify existing certificate content");
}

// Times that the client left out. A decision that stands keeps its own.
void fill_times(Mut o, Value old, std::string_view now) {
  for (Mut c : o["status"]["conditions"].items()) {
    if (c["lastUpdateTime"].str().empty()) c.set("lastUpdateTime", now);
    if (!c["lastTransitionTime"].str().empty()) continue;
    std::string since(now);
    for (Value was : conditions_of(old, c["type"].str()))
      if (was["status"].str() == c["status"].str() && !was["lastTransitionTime"].str().empty()) {
        since = was["lastTransitionTime"].text();
        break;
      }
    c.set("lastTransitionTime", since);
  }
}

// A signer's update leaves the decisions as they are, unless it adds or removes some, which is refused.
void prepare_signing(Mut o, Value old) {
  keep_spec(o, old);
  for (const char* type : {"Approved", "Denied"}) {
    std::vector<Mut> now;
    for (Mut c : o["status"]["conditions"].items())
      if (c["type"].str() == type) now.push_back(c);
    const std::vector<Value> was = conditions_of(old, type);
    for (size_t i = 0; now.size() == was.size() && i < now.size(); ++i) now[i].assign(was[i]);
  }
}

void prepare_approval(Mut o, Value old, std::string_view now) {
  fill_times(o, old, now);
  keep_spec(o, old);
  Builder status(old["status"]);
  status.root().set("conditions", o["status"]["conditions"]);
  const Document kept = status.finish();
  o.set("status", kept.root());
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
  k.prepare_status_update = prepare_signing;
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.validate_name = name_is_path_segment;
  k.stamp_status = fill_times;
  k.validate = validate_csr;
  k.validate_update = [](Value o, Value old, FieldErrors& errors) { validate_change(o, old, false, false, errors); };
  k.validate_status_update = [](Value o, Value old, FieldErrors& errors) { validate_change(o, old, false, true, errors); };
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

const SubresourceRules kApprovalRules = {
    prepare_approval, [](Value o, Value old, FieldErrors& errors) { validate_change(o, old, true, false, errors); }};

}  // namespace bramble

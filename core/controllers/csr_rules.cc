#include "core/controllers/csr_rules.h"

#include "core/crypto/hash.h"

namespace bramble {
namespace {

bool has_condition(const Document& request, std::string_view type) {
  for (Value c : request["status"]["conditions"].items())
    if (c["type"].str() == type) return true;
  return false;
}

bool is_of_nodes(const CertificateSubject& s) { return s.organizations.size() == 1 && s.organizations[0] == "system:nodes"; }

// Go's %v of a list.
std::string listed(const std::set<std::string>& usages) {
  std::string out = "[";
  for (const std::string& u : usages) out += cat(out.size() > 1 ? " " : "", u);
  return out + "]";
}

std::string usage_fault(const std::set<std::string>& usages, const char* purpose) {
  const std::set<std::string> all{"digital signature", "key encipherment", purpose}, without_rsa{"digital signature", purpose};
  return usages == all || usages == without_rsa ? std::string() : cat("usages did not match ", listed(all));
}

constexpr const char* kNotOfNodes = "subject organization is not system:nodes";
constexpr const char* kNotOfANode = "subject common name does not begin with system:node:";

}  // namespace

std::optional<AskedCertificate> asked_of(const Document& request) {
  auto pem = base64_decode(request["spec"]["request"].str());
  if (!pem) return std::nullopt;
  auto parsed = parse_certificate_request(*pem);
  if (!parsed.ok()) return std::nullopt;
  AskedCertificate out{parsed->subject, parsed->key, sha256_hex(parsed->key.der()), {}};
  for (Value u : request["spec"]["usages"].items()) out.usages.insert(u.text());
  return out;
}

CsrState state_of(const Document& request) {
  if (has_condition(request, "Denied")) return CsrState::kDenied;
  return has_condition(request, "Approved") ? CsrState::kApproved : CsrState::kPending;
}

bool has_failed(const Document& request) { return has_condition(request, "Failed"); }

std::string kubelet_client_fault(const AskedCertificate& asked) {
  const CertificateSubject& s = asked.subject;
  if (!is_of_nodes(s)) return kNotOfNodes;
  if (!s.dns_names.empty()) return "DNS subjectAltNames are not allowed";
  if (!s.ip_addresses.empty()) return "IP subjectAltNames are not allowed";
  if (s.other_names) return "URI subjectAltNames are not allowed";
  if (!s.common_name.starts_with(kNodeUserPrefix)) return kNotOfANode;
  return usage_fault(asked.usages, "client auth");
}

std::string kubelet_serving_fault(const AskedCertificate& asked) {
  const CertificateSubject& s = asked.subject;
  if (!is_of_nodes(s)) return kNotOfNodes;
  if (s.dns_names.empty() && s.ip_addresses.empty()) return "DNS or IP subjectAltName is required";
  if (s.other_names) return "URI subjectAltNames are not allowed";
  std::string fault = usage_fault(asked.usages, "server auth");
  if (!fault.empty()) return fault;
  return s.common_name.starts_with(kNodeUserPrefix) ? "" : kNotOfANode;
}

std::string api_client_fault(const AskedCertificate& asked) {
  bool client = false;
  for (const std::string& usage : asked.usages) {
    if (usage == "client auth") client = true;
    else if (usage != "digital signature" && usage != "key encipherment") return cat("invalid usage for client certificate: ", usage);
  }
  return client ? "" : "missing required usage for client certificate: client auth";
}

Identity asker_of(const Document& request) {
  Value spec = request["spec"];
  Identity out;
  out.user = spec["username"].text(), out.uid = spec["uid"].text();
  for (Value g : spec["groups"].items()) out.groups.push_back(g.text());
  for (auto [key, values] : spec["extra"].members()) {
    out.extra.push_back({std::string(key), {}});
    for (Value v : values.items()) out.extra.back().second.push_back(v.text());
  }
  return out;
}

}  // namespace bramble

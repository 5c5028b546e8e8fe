#include "core/app/credentials.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "cni/netlink/rtnetlink.h"
#include "core/app/version.h"
#include "core/base/files.h"
#include "core/crypto/issuing_time.h"

namespace bramble {
namespace {

constexpr int64_t kDay_s = 24 * 3600;
constexpr int64_t kAuthorityLife_s = 3650 * kDay_s;
constexpr int64_t kLeafLife_s = 365 * kDay_s;

// Nothing when it was not made yet, or only its key: the power went in the first start, and nobody knows it.
Result<std::optional<CertificateAuthority>> present_authority(const std::string& directory, std::string_view name, bool in_use) {
  std::string certificate_path = cat(directory, "/", name, ".crt"), key_path = cat(directory, "/", name, ".key");
  if (!path_exists(certificate_path) && !in_use) return std::optional<CertificateAuthority>();
  if (path_exists(certificate_path) != path_exists(key_path))
    return Error(Code::kCorrupt, cat(path_exists(key_path) ? certificate_path : key_path, ": missing; restore it from a backup"));
  if (!path_exists(certificate_path)) return std::optional<CertificateAuthority>();
  TRY_ASSIGN(std::string certificate, read_file(certificate_path));
  TRY_ASSIGN(std::string key, read_file(key_path));
  auto ca = CertificateAuthority::from_pem(certificate, key);
  if (!ca.ok()) return ca.error().prefixed(certificate_path);
  return std::optional<CertificateAuthority>(std::move(*ca));
}

Result<CertificateAuthority> authority(const CredentialOptions& options, std::string_view name, std::string_view common_name, int64_t now_s) {
  const std::string& directory = options.directory;
  TRY_ASSIGN(auto present, present_authority(directory, name, options.in_use));
  if (present) return std::move(*present);
  std::string certificate_path = cat(directory, "/", name, ".crt"), key_path = cat(directory, "/", name, ".key");
  TRY_ASSIGN(CertificateAuthority ca, CertificateAuthority::create(cat(common_name, "@", now_s), now_s + kAuthorityLife_s));
  // The key first: a crash between the two leaves a key alone, which nobody trusts yet.
  TRY(replace_file_durably(key_path, ca.key_pem(), 0600));
  TRY(replace_file_durably(certificate_path, ca.certificate_pem(), 0644));
  return ca;
}

bool same_names(std::vector<std::string> a, std::vector<std::string> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

// notBefore is a fixed date, so the life is counted back from the end. One that lives as long as its authority cannot get better.
int64_t renewal_of(const CertificateInfo& info, const CertificateAuthority& ca) {
  return info.not_after_s >= ca.not_after_s() ? info.not_after_s : info.not_after_s - kLeafLife_s / 3;
}

bool same_subject(const CertificateInfo& info, const CertificateSubject& subject) {
  return info.subject.common_name == subject.common_name && same_names(info.subject.organizations, subject.organizations) &&
         same_names(info.subject.dns_names, subject.dns_names) && same_names(info.subject.ip_addresses, subject.ip_addresses);
}

Result<CertifiedKey> leaf(const std::string& directory, std::string_view name, const CertificateAuthority& ca,
                          const CertificateSubject& subject, LeafOptions options, int64_t now_s, int64_t* renew_at_s) {
  std::string certificate_path = cat(directory, "/", name, ".crt"), key_path = cat(directory, "/", name, ".key");
  auto old_certificate = read_file(certificate_path);
  auto old_key = read_file(key_path);
  if (old_certificate.ok() && old_key.ok()) {
    auto info = parse_certificate(*old_certificate);
    auto key = PrivateKey::from_pem(*old_key);
    bool ours = verify_certificate(*old_certificate, ca.certificate_pem(), CertificateUse::kAny).ok();
    bool fits = info.ok() && key.ok() && ours && same_subject(*info, subject) && key->public_key().pem() == info->public_key_pem;
    if (fits && now_s <= renewal_of(*info, ca)) {
      *renew_at_s = std::min(*renew_at_s, renewal_of(*info, ca));
      return CertifiedKey{*old_certificate, *old_key};
    }
  }
  options.not_after_s = now_s + kLeafLife_s;
  TRY_ASSIGN(CertifiedKey made, ca.issue_with_key(subject, options));
  TRY(replace_file_durably(key_path, made.key_pem, 0600));
  TRY(replace_file_durably(certificate_path, made.certificate_pem, 0644));
  TRY_ASSIGN(CertificateInfo info, parse_certificate(made.certificate_pem));
  *renew_at_s = std::min(*renew_at_s, renewal_of(info, ca));
  return made;
}

Result<std::string> service_account_key(const std::string& path) {
  if (path_exists(path)) {
    TRY_ASSIGN(std::string pem, read_file(path));
    auto key = PrivateKey::from_pem(pem);
    if (!key.ok()) return key.error().prefixed(path);
    return pem;
  }
  TRY_ASSIGN(PrivateKey key, PrivateKey::generate_p256());
  TRY(replace_file_durably(path, key.pem(), 0600));
  return key.pem();
}

// Addresses and names sort into their own lists.
CertificateSubject server_subject(std::string_view common_name, const std::vector<std::string>& names) {
  CertificateSubject out;
  out.common_name = std::string(common_name);
  for (const std::string& n : names) {
    auto address = IpPrefix::parse(n);
    auto& list = address ? out.ip_addresses : out.dns_names;
    std::string text = address ? address->address_text() : n;
    if (!text.empty() && std::find(list.begin(), list.end(), text) == list.end()) list.push_back(text);
  }
  return out;
}

}  // namespace

int64_t issuing_floor_s(const std::string& data_dir) {
  int64_t newest = build_time_s();
  std::error_code ignored;
  for (const auto& file : std::filesystem::directory_iterator(data_dir + "/server/db", ignored)) {
    struct stat facts;
    if (stat(file.path().c_str(), &facts) == 0) newest = std::max<int64_t>(newest, facts.st_mtim.tv_sec);
  }
  return newest;
}

Result<Credentials> load_or_make_credentials(const CredentialOptions& options, const Clock& clock) {
  TRY(make_folders(options.directory, 0700));
  int64_t now_s = issuing_time_s(clock, options.time_floor_s);
  const std::string& dir = options.directory;
  TRY_ASSIGN(CertificateAuthority server_ca, authority(options, "server-ca", "bramble-server-ca", now_s));
  TRY_ASSIGN(CertificateAuthority client_ca, authority(options, "client-ca", "bramble-client-ca", now_s));
  Credentials out;
  out.server_ca_pem = server_ca.certificate_pem();
  out.client_ca_pem = client_ca.certificate_pem();
  out.server_ca_key_pem = server_ca.key_pem();
  out.client_ca_key_pem = client_ca.key_pem();
  TRY_ASSIGN(out.service_account_key_pem, service_account_key(dir + "/service.key"));
  LeafOptions server{true, false, 0}, client{false, true, 0};
  int64_t renew = INT64_MAX;
  TRY_ASSIGN(out.api_server, leaf(dir, "serving-kube-apiserver", server_ca, server_subject("kube-apiserver", options.server_names), server, now_s, &renew));
  TRY_ASSIGN(out.kubelet_server, leaf(dir, "serving-kubelet", server_ca, server_subject(options.node_name, options.node_names), server, now_s, &renew));
  TRY_ASSIGN(out.admin, leaf(dir, "client-admin", client_ca, {"system:admin", {"system:masters"}, {}, {}}, client, now_s, &renew));
  TRY_ASSIGN(out.kubelet_client, leaf(dir, "client-kube-apiserver", client_ca, {"system:apiserver", {"system:masters"}, {}, {}}, client, now_s, &renew));
  out.renew_at_s = renew;
  return out;
}

Status check_authority(const std::string& directory, std::string_view name, bool in_use) {
  auto present = present_authority(directory, name, in_use);
  return present.ok() ? ok() : Status(present.error());
}

std::string make_kubeconfig(const std::string& server_url, const std::string& ca_pem, const CertifiedKey& client) {
  return cat(
      "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    certificate-authority-data: ", base64_encode(ca_pem),
      "\n    server: ", server_url,
      "\n  name: default\ncontexts:\n- context:\n    cluster: default\n    user: default\n  name: default\n"
      "current-context: default\nusers:\n- name: default\n  user:\n    client-certificate-data: ",
      base64_encode(client.certificate_pem), "\n    client-key-data: ", base64_encode(client.key_pem), "\n");
}

}  // namespace bramble

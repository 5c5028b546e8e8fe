#include "provision/join/node_credentials.h"

#include <algorithm>

#include "core/base/files.h"
#include "core/base/limits.h"

namespace bramble {
namespace {

constexpr std::string_view kNodePrefix = "system:node:";
constexpr int kKeyMode = 0600;

struct Pair {
  const char* name;
  CertifiedKey NodeCredentials::*member;
};
// The kubelet's comes last: it is the sign that all is there.
constexpr Pair kPairs[] = {{"serving-kubelet", &NodeCredentials::kubelet_serving},
                           {"client-kube-proxy", &NodeCredentials::kube_proxy},
                           {"client-dns", &NodeCredentials::dns},
                           {"client-bramble-controller", &NodeCredentials::controller},
                           {"client-kubelet", &NodeCredentials::kubelet}};

std::string path_of(const std::string& data_dir, std::string_view file) { return cat(data_dir, "/agent/", file); }

Error misfit(const std::string& path, std::string_view why) {
  return Error(Code::kCorrupt, cat(path, ": ", why, "; remove it, and start the agent with --token to join again"));
}

Result<CertifiedKey> read_pair(const std::string& data_dir, const char* name) {
  CertifiedKey out;
  std::string certificate_path = path_of(data_dir, cat(name, ".crt")), key_path = path_of(data_dir, cat(name, ".key"));
  auto certificate = read_file(certificate_path);
  if (!certificate.ok()) return misfit(path_of(data_dir, "client-kubelet.crt"), cat("is there, but ", certificate.error().message()));
  auto key = read_file(key_path);
  if (!key.ok()) return misfit(certificate_path, cat("is there, but ", key.error().message()));
  out.certificate_pem = std::move(*certificate), out.key_pem = std::move(*key);
  auto info = parse_certificate(out.certificate_pem);
  if (!info.ok()) return misfit(certificate_path, info.error().message());
  auto parsed = PrivateKey::from_pem(out.key_pem);
  if (!parsed.ok()) return misfit(key_path, parsed.error().message());
  if (parsed->public_key().pem() != info->public_key_pem) return misfit(certificate_path, cat("belongs to another key than ", key_path));
  return out;
}

}  // namespace

int64_t node_renewal_at_s(const NodeCredentials& credentials) {
  int64_t at = INT64_MAX;
  for (const Pair& p : kPairs) {
    auto info = parse_certificate((credentials.*p.member).certificate_pem);
    if (info.ok()) at = std::min(at, info->not_after_s - limits::kNodeCertificateLifeS / 3);
  }
  return at;
}

std::string agent_key_path(const std::string& data_dir, std::string_view name) { return path_of(data_dir, cat(name, ".key")); }

Result<std::optional<NodeCredentials>> load_node_credentials(const std::string& data_dir) {
  if (!path_exists(path_of(data_dir, "client-kubelet.crt"))) return std::optional<NodeCredentials>();
  NodeCredentials out;
  TRY_ASSIGN(out.server_ca_pem, read_file(path_of(data_dir, "server-ca.crt")));
  TRY_ASSIGN(out.client_ca_pem, read_file(path_of(data_dir, "client-ca.crt")));
  for (const Pair& p : kPairs) {
    const bool optional = p.member == &NodeCredentials::dns || p.member == &NodeCredentials::controller;  // of who was let in by hand
    if (optional && !path_exists(path_of(data_dir, cat(p.name, ".crt")))) continue;
    TRY_ASSIGN(out.*p.member, read_pair(data_dir, p.name));
  }
  for (const char* name : {"server-ca.crt", "client-ca.crt"}) {
    auto info = parse_certificate(name[0] == 's' ? out.server_ca_pem : out.client_ca_pem);
    if (!info.ok()) return misfit(path_of(data_dir, name), info.error().message());
  }
  out.renew_at_s = node_renewal_at_s(out);
  return std::optional<NodeCredentials>(std::move(out));
}

Status store_node_credentials(const std::string& data_dir, const NodeCredentials& credentials) {
  TRY(make_folders(data_dir + "/agent", 0700));
  TRY(replace_file_durably(path_of(data_dir, "server-ca.crt"), credentials.server_ca_pem, kKeyMode));
  TRY(replace_file_durably(path_of(data_dir, "client-ca.crt"), credentials.client_ca_pem, kKeyMode));
  for (const Pair& p : kPairs) {
    const CertifiedKey& pair = credentials.*p.member;
    if (pair.certificate_pem.empty()) continue;
    TRY(replace_file_durably(path_of(data_dir, cat(p.name, ".key")), pair.key_pem, kKeyMode));
    TRY(replace_file_durably(path_of(data_dir, cat(p.name, ".crt")), pair.certificate_pem, kKeyMode));
  }
  return ok();
}

std::string node_of(const NodeCredentials& credentials) {
  auto info = parse_certificate(credentials.kubelet.certificate_pem);
  if (!info.ok() || !info->subject.common_name.starts_with(kNodePrefix)) return {};
  return info->subject.common_name.substr(kNodePrefix.size());
}

}  // namespace bramble

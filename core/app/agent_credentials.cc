#include "core/app/agent_credentials.h"

#include "core/base/files.h"

namespace bramble {

namespace {

Result<CertifiedKey> load_pair(const std::string& folder, std::string_view name) {
  CertifiedKey out;
  std::string path = cat(folder, "/", name, ".crt");
  TRY_ASSIGN(out.certificate_pem, read_file(path));
  TRY_ASSIGN(out.key_pem, read_file(cat(folder, "/", name, ".key")));
  auto info = parse_certificate(out.certificate_pem);
  if (!info.ok()) return info.error().prefixed(path);
  auto key = PrivateKey::from_pem(out.key_pem);
  if (!key.ok()) return key.error().prefixed(path);
  if (key->public_key().pem() != info->public_key_pem) return Error(Code::kInvalidArgument, cat(path, ": is of another key than the one beside it; remove both and join again"));
  return out;
}

}  // namespace

Result<AgentCredentials> load_agent_credentials(const std::string& data_dir, const std::string& node_name) {
  std::string folder = data_dir + "/agent";
  AgentCredentials out;
  TRY_ASSIGN(out.server_ca_pem, read_file(folder + "/server-ca.crt"));
  TRY_ASSIGN(out.client_ca_pem, read_file(folder + "/client-ca.crt"));
  TRY_ASSIGN(out.kubelet, load_pair(folder, "client-kubelet"));
  TRY_ASSIGN(out.kubelet_serving, load_pair(folder, "serving-kubelet"));
  TRY_ASSIGN(out.kube_proxy, load_pair(folder, "client-kube-proxy"));
  if (path_exists(folder + "/client-bramble-controller.crt")) {
    TRY_ASSIGN(out.controller, load_pair(folder, "client-bramble-controller"));
  }
  TRY_ASSIGN(CertificateInfo info, parse_certificate(out.kubelet.certificate_pem));
  std::string user = "system:node:" + node_name;
  if (info.subject.common_name != user)
    return Error(Code::kInvalidArgument, cat(folder, "/client-kubelet.crt: is of ", info.subject.common_name, ", not of ", user, "; give --node-name as before, or remove the folder and join again"));
  return out;
}

}  // namespace bramble

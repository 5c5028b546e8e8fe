#include "core/app/certificate_list.h"

#include <algorithm>
#include <filesystem>

#include "core/base/clock.h"
#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/crypto/x509.h"

namespace bramble {
namespace {

std::string usages_of(const CertificateInfo& info) {
  if (info.is_ca) return "CertSign";
  std::string out = info.client_auth ? "ClientAuth" : "";
  if (info.server_auth) out += out.empty() ? "ServerAuth" : ",ServerAuth";
  return out;
}

// Either of the two may have issued it; the other tells nothing.
bool has_authority(const std::string& pem, const std::string& folder) {
  for (const char* name : {"server-ca.crt", "client-ca.crt"}) {
    auto roots = read_file(folder + "/" + name);
    if (!roots.ok()) continue;
    Status verified = verify_certificate(pem, *roots, CertificateUse::kAny);
    if (verified.ok() || verified.error().message().find("expired") != std::string::npos) return true;
  }
  return false;
}

ListedCertificate judge(const std::string& folder, const std::string& shown, int64_t now_s) {
  ListedCertificate out;
  out.file = shown;
  out.status = "UNREADABLE";
  auto pem = read_file(folder + "/" + shown.substr(shown.rfind('/') + 1));
  auto info = pem.ok() ? parse_certificate(*pem) : Result<CertificateInfo>(pem.error());
  if (!info.ok()) return out;
  out.subject = info->subject.common_name;
  out.usages = usages_of(*info);
  out.not_after_s = info->not_after_s;
  int64_t left_s = std::max<int64_t>(0, info->not_after_s - now_s);
  out.residual = human_duration(left_s * 1000000);
  if (left_s == 0) out.status = "EXPIRED";
  else if (!info->is_ca && !has_authority(*pem, folder)) out.status = "UNKNOWN AUTHORITY";
  else if (!info->is_ca && left_s < limits::kNodeCertificateLifeS / 3) out.status = "RENEWAL DUE";
  else out.status = "OK";
  return out;
}

}  // namespace

std::vector<ListedCertificate> list_certificates(const std::string& data_dir, int64_t now_s) {
  std::vector<ListedCertificate> out;
  for (const char* folder : {"server/tls", "agent"}) {
    std::error_code ignored;
    for (const auto& file : std::filesystem::directory_iterator(data_dir + "/" + folder, ignored)) {
      if (file.path().extension() == ".crt") out.push_back(judge(data_dir + "/" + folder, cat(folder, "/", file.path().filename().string()), now_s));
    }
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.file < b.file; });
  return out;
}

}  // namespace bramble

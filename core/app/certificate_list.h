// The certificates of a machine: those of <data-dir>/server/tls and <data-dir>/agent, judged. Reads files only; blocking.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bramble {

struct ListedCertificate {
  std::string file;     // "server/tls/client-admin.crt"
  std::string subject;  // its common name
  std::string usages;   // "CertSign", "ClientAuth", "ServerAuth", "ClientAuth,ServerAuth"
  int64_t not_after_s = 0;
  std::string residual;  // "364d", "0s"
  std::string status;    // "OK", "RENEWAL DUE", "EXPIRED", "UNKNOWN AUTHORITY", "UNREADABLE"
};

// By name, authorities and leaves alike. now_s: seconds since 1970.
std::vector<ListedCertificate> list_certificates(const std::string& data_dir, int64_t now_s);

}  // namespace bramble

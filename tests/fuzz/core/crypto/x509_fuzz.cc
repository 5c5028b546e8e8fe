// Certificates, requests and keys from outside, as PEM; and tokens.
#include <cstdint>
#include <string>

#include "core/base/strings.h"
#include "core/crypto/jwt.h"
#include "core/crypto/pem.h"
#include "core/crypto/x509.h"
#include "core/crypto/x509_faults.h"

using namespace bramble;

static std::string pem(const char* what, const std::string& der) {
  return cat("-----BEGIN ", what, "-----\n", base64_encode(der), "\n-----END ", what, "-----\n");
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] & 7) {
    case 0:
      (void)parse_certificate(pem("CERTIFICATE", bytes)).ok();
      break;
    case 1:
      (void)parse_certificate_request(pem("CERTIFICATE REQUEST", bytes)).ok();
      break;
    case 2:
      (void)PublicKey::from_pem(pem("PUBLIC KEY", bytes)).ok();
      break;
    case 3:
      (void)PrivateKey::from_pem(pem("PRIVATE KEY", bytes)).ok();
      break;
    case 4:
      (void)parse_certificate(bytes).ok();
      break;
    case 5:
      (void)parse_certificate_request(bytes).ok();
      break;
    case 6: {
      std::string_view rest = bytes;
      while (next_pem_block(rest)) continue;
      (void)certificate_request_fault(bytes);
      (void)certificates_fault(bytes);
      break;
    }
    default: {
      static const std::vector<PublicKey> keys = {PrivateKey::generate_p256().value().public_key()};
      if (verify_jwt(bytes, keys).ok()) abort();
    }
  }
  return 0;
}

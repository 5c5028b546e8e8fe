#include "core/crypto/mbed.h"

#include <mbedtls/error.h>
#include <psa/crypto.h>

extern "C" {  // which the header itself forgets
#include <mbedtls/psa_util.h>
}

namespace bramble::mbed {

void ready() {
  static const psa_status_t status = psa_crypto_init();
  CHECK(status == PSA_SUCCESS, "psa_crypto_init: ", static_cast<int>(status));
}

int random(void*, unsigned char* out, size_t n) {
  ready();
  return mbedtls_psa_get_random(MBEDTLS_PSA_RANDOM_STATE, out, n);
}

Error failed(Code code, std::string_view what, int rc) {
  char detail[160];
  mbedtls_strerror(rc, detail, sizeof detail);
  return Error(code, cat(what, ": ", static_cast<const char*>(detail)));
}

}  // namespace bramble::mbed

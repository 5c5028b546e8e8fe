// Why kube-apiserver would not take certificates and requests that users send, in the words of Go's crypto/x509 and
// encoding/asn1, for field errors. Pure functions of DER; any thread.
#pragma once

#include <string>
#include <string_view>

namespace bramble {

// A PKCS #10 request that is well formed and signed by its own key, or what is wrong with it. The key may be RSA or of one of NIST's
// curves; of others (Ed25519) a signature cannot be checked here.
std::string certificate_request_fault(std::string_view der);
// Certificates one after another.
std::string certificates_fault(std::string_view der);

}  // namespace bramble

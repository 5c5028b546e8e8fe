// JoinLimit: what those who join by a token may ask for: a kubelet's client certificate and nothing else, so many at once and so
// many waiting for a decision (limits.h): a stolen or shared token fills neither the store nor the signer's time. Owner's loop
// thread; begins anew with the process.
#pragma once

#include "core/apiserver/admission.h"

namespace bramble {

class JoinLimit {
 public:
  explicit JoinLimit(Registry& registry) : registry_(registry) {}
  // Of a CertificateSigningRequest that is to be made. kPermissionDenied, kTooManyRequests.
  Status check(const AdmissionCall& call, Mut request);

 private:
  size_t pending() const;

  Registry& registry_;
  double tokens_ = -1;  // of the bucket; negative: full
  int64_t filled_us_ = 0;
};

}  // namespace bramble

// CertificateApproval, CertificateSigning, CertificateSubjectRestriction: who may approve and sign requests of a signer, and what
// no client certificate may be asked for. Part of stage 4, after validation; pure.
#pragma once

#include "core/apiserver/admission.h"
#include "core/apiserver/authz.h"

namespace bramble {

// Writes down who asks, whatever the client says of itself (the strategy's PrepareForCreate).
void note_asker(const Identity& user, Mut request);
// A write of a CertificateSigningRequest or of a subresource of it. Upstream's text, "" when they may.
std::string forbidden_request(const Authorizer& authorizer, const AdmissionCall& call, Value object, Value old);

}  // namespace bramble

// Reviews: objects that are answered and forgotten (TokenReview, SubjectAccessReview and its kin, SelfSubjectReview).
// Specification: authentication.k8s.io/v1, authorization.k8s.io/v1.
#pragma once

#include "core/apiserver/authz.h"
#include "core/apiserver/tokens.h"
#include "core/client/client.h"
#include "core/resources/kind.h"

namespace bramble {

bool is_review(const Kind& kind);

// `object` is canonical; `user` asks. The review with its status; kInvalidObject for a bad spec.
Result<Document> answer_review(const Kind& kind, const std::string& ns, const Identity& user, const Document& object,
                               const Authorizer& authorizer, const TokenIssuer& tokens, const Clock& clock);

}  // namespace bramble

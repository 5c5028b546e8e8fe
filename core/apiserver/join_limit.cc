#include "core/apiserver/join_limit.h"

#include <algorithm>

#include "core/apiserver/authn.h"
#include "core/base/limits.h"
#include "core/registry/api_status.h"
#include "core/resources/bootstrap_token.h"

namespace bramble {

namespace {

constexpr std::string_view kJoinSigner = "kubernetes.io/kube-apiserver-client-kubelet";

Error too_many() {
  StatusDetails details;
  details.present = true;
  details.retry_after_s = 1 + static_cast<int64_t>(1 / limits::kJoinsPerSecond);
  return status_failure(Code::kTooManyRequests, "too many nodes join at once, please try again later", details);
}

}  // namespace

// Of those that came by tokens.
size_t JoinLimit::pending() const {
  size_t count = 0;
  registry_.cache().view().range(registry_prefix(*find_kind("certificates.k8s.io", "v1", "certificatesigningrequests"), ""), "", 0, [&](const EntryRef& entry) {
    Value request = entry->document.root();
    if (request["status"]["conditions"].size() == 0 && request["spec"]["username"].str().starts_with("system:bootstrap:")) ++count;
    return true;
  });
  return count;
}

Status JoinLimit::check(const AdmissionCall& call, Mut request) {
  if (!in_group(call.user, kBootstrappers)) return ok();
  if (request["spec"]["signerName"].str() != kJoinSigner) {
    return api_forbidden({call.kind->group, call.kind->resource}, request["metadata"]["name"].str(),
                         cat("with a token for joining only certificates of ", kJoinSigner, " may be requested"));
  }
  if (call.dry_run) return ok();
  const int64_t now_us = registry_.clock().monotonic_us();
  const double full = static_cast<double>(limits::kJoinsBurst);
  if (tokens_ < 0) tokens_ = full;
  else tokens_ = std::min(full, tokens_ + static_cast<double>(now_us - filled_us_) * limits::kJoinsPerSecond / 1e6);
  filled_us_ = now_us;
  if (tokens_ < 1 || pending() >= limits::kJoinsPendingMax) return too_many();
  tokens_ -= 1;
  return ok();
}

}  // namespace bramble

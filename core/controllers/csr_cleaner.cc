// CSR cleaner: requests go an hour after they were issued or denied, a day after they were made when nobody decided, and when
// what was issued has ended. Watches: certificatesigningrequests. Writes: their deletes. Upstream: pkg/controller/certificates/cleaner.
#include <algorithm>

#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/controllers/all.h"
#include "core/controllers/csr_rules.h"
#include "core/controllers/object_writes.h"

namespace bramble {

namespace {

// When it goes, by the wall clock; nothing: it stays.
std::optional<int64_t> end_of(const Document& request) {
  std::optional<int64_t> end;
  auto at = [&](std::string_view time, int64_t after_us) {
    auto since = parse_rfc3339(time);
    if (since) end = std::min(end.value_or(INT64_MAX), *since + after_us);
  };
  Value conditions = request["status"]["conditions"];
  std::string_view certificate = request["status"]["certificate"].str();
  if (conditions.size() == 0) at(meta(request.root(), "creationTimestamp"), limits::kCsrPendingUs);
  for (Value c : conditions.items()) {
    bool issued = c["type"].str() == "Approved" && !certificate.empty();
    if (issued || c["type"].str() == "Denied") at(c["lastUpdateTime"].str(), limits::kCsrDecidedUs);
    if (!issued) continue;
    auto pem = base64_decode(certificate);
    auto info = pem ? parse_certificate(*pem) : Result<CertificateInfo>(Error(Code::kInvalidArgument, ""));
    if (info.ok()) end = std::min(end.value_or(INT64_MAX), info->not_after_s * 1000000);
  }
  return end;
}

Plan clean(const Snapshot& snapshot, const ObjectKey& key, const Moment& now) {
  Plan plan;
  Document request = snapshot.get(kCertificateRequests, "", key.name);
  if (!request) return plan;
  auto end = end_of(request);
  if (!end) return plan;
  if (*end < now.wall_us) plan.writes.push_back(delete_write(kCertificateRequests, request));
  else plan.requeue_after_ms = (*end - now.wall_us) / 1000 + 1;
  return plan;
}

void keys(const Snapshot&, const Change& change, const KeySink& sink) {
  if (change.after) sink(key_of(change.after));
}

}  // namespace

Controller csr_cleaner_controller() { return {"csrcleaner", "certificate-controller", "csrcleaner", {kCertificateRequests}, {}, keys, clean, {}}; }

}  // namespace bramble

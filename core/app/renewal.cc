#include "core/app/renewal.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/loop/loop.h"

namespace bramble {

static std::string leaves_of(const Credentials& c) {
  return cat(c.api_server.certificate_pem, c.kubelet_server.certificate_pem, c.admin.certificate_pem);
}

CertificateRenewal::CertificateRenewal(const Credentials& now, const Clock& clock, Load load, Use use)
    : clock_(clock), load_(std::move(load)), use_(std::move(use)), in_use_(leaves_of(now)), alarm_([this] { begin(); }) {
  arm(now.renew_at_s);
}

// A time that is over already, after a failure or where the authority itself ends, is not tried again at once.
void CertificateRenewal::arm(int64_t renew_at_s) {
  alarm_.set_at_s(std::max(renew_at_s, clock_.wall_us() / 1000000 + limits::kRenewRetryS));
}

void CertificateRenewal::begin() {
  if (tasks_.size() == 0) tasks_.start(look());
}

Task<void> CertificateRenewal::look() {
  Load load = load_;
  Result<Credentials> loaded = co_await offload(std::move(load));
  if (!loaded.ok()) {
    log_error("certificates: ", loaded.error().message());
    arm(0);
    co_return;
  }
  std::string leaves = leaves_of(*loaded);
  if (leaves != in_use_) {
    Status used = use_(*loaded);
    if (!used.ok()) {
      log_error("certificates: ", used.error().message());
      arm(0);
      co_return;
    }
    log_info("certificates: renewed; the next time is ", format_rfc3339(loaded->renew_at_s * 1000000));
    in_use_ = std::move(leaves);
  }
  arm(loaded->renew_at_s);
}

}  // namespace bramble

#include "core/kubelet/probe_state.h"

namespace bramble {

std::string_view probe_field(ProbeKind kind) {
  return kind == ProbeKind::kStartup ? "startupProbe" : kind == ProbeKind::kLiveness ? "livenessProbe" : "readinessProbe";
}

std::string_view probe_title(ProbeKind kind) { return kind == ProbeKind::kStartup ? "Startup" : kind == ProbeKind::kLiveness ? "Liveness" : "Readiness"; }

ProbeState::ProbeState(ProbeKind kind, bool before) : kind_(kind) {
  if (kind == ProbeKind::kLiveness || before) result_ = kSuccess;
  else result_ = kind == ProbeKind::kReadiness ? kFailure : kUnknown;
}

bool ProbeState::note(bool good, int success_threshold, int failure_threshold) {
  Result now = good ? kSuccess : kFailure;
  run_ = now == last_ ? run_ + 1 : 1;
  last_ = now;
  if (on_hold_ || run_ < (good ? success_threshold : failure_threshold)) return false;
  bool changed = result_ != now;
  result_ = now;
  on_hold_ = !good && kind_ != ProbeKind::kReadiness;
  return changed;
}

bool ProbeState::settle() {
  bool changed = result_ != kSuccess;
  result_ = kSuccess;
  on_hold_ = true;
  return changed;
}

}  // namespace bramble

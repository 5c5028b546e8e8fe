// What one probe of one container says, from answer to answer: thresholds as upstream's probe workers have them. A pure value.
#pragma once

#include <string_view>

namespace bramble {

enum class ProbeKind { kStartup, kLiveness, kReadiness };
std::string_view probe_field(ProbeKind kind);  // "startupProbe" ...
std::string_view probe_title(ProbeKind kind);  // "Startup" ...: how events begin

class ProbeState {
 public:
  enum Result { kUnknown, kSuccess, kFailure };

  ProbeState() = default;
  // before: what was known of the container already (after a restart of ours).
  ProbeState(ProbeKind kind, bool before);

  // True when the result that counts has changed.
  bool note(bool good, int success_threshold, int failure_threshold);
  // From here on it counts as good, and nothing changes that: the pod ends.
  bool settle();
  Result result() const { return result_; }
  // A container that is to be restarted is probed no more.
  bool on_hold() const { return on_hold_; }

 private:
  ProbeKind kind_ = ProbeKind::kReadiness;
  Result result_ = kUnknown, last_ = kUnknown;
  int run_ = 0;
  bool on_hold_ = false;
};

}  // namespace bramble

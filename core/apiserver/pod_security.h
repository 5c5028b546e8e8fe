// Pod Security Standards: which level of which version a namespace asks for by its labels (Kubernetes "Pod Security Admission").
// What a level forbids: pod_security_checks.h. What follows from that: admission_pod_security.h. Pure values; any thread.
// Texts: k8s.io/pod-security-admission.
#pragma once

#include <string>

#include "core/json/value.h"
#include "core/resources/field_error.h"

namespace bramble {

// From the widest to the narrowest.
enum class SecurityLevel { kPrivileged, kBaseline, kRestricted };

struct LevelVersion {
  SecurityLevel level = SecurityLevel::kPrivileged;
  bool latest = true;
  int64_t minor = 0;  // of v1.<minor>, where it is not the latest
  bool operator==(const LevelVersion&) const = default;
  auto operator<=>(const LevelVersion&) const = default;
  std::string text() const;  // "restricted:latest", "baseline:v1.30"
};

struct PodSecurityPolicy {
  LevelVersion enforce, audit, warn;
  bool fully_privileged() const;
  // Labels: metadata.labels, may be absent. What cannot be read becomes an error of its label, and stands for: restricted where
  // it is enforced, nothing where it is only told.
  static PodSecurityPolicy of(Value labels, FieldErrors& errors);
};

}  // namespace bramble

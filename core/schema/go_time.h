// Times and durations as Go reads and writes them in Kubernetes objects: metav1.Time (seconds), MicroTime (six digits),
// metav1.Duration. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace bramble {

// The canonical text of an RFC 3339 time: UTC, whole seconds ("2026-01-02T03:04:05Z") or six digits. kInvalidArgument with
// the text of Go's time.Parse: `parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"`.
Result<std::string> normal_time(std::string_view text);
Result<std::string> normal_micro_time(std::string_view text);  // the six digits must be there

// "1h30m0s" from any text that Go's time.ParseDuration takes. kInvalidArgument: `time: invalid duration "x"`.
Result<std::string> normal_duration(std::string_view text);
// Nanoseconds; nothing when malformed or out of range.
std::optional<int64_t> parse_go_duration(std::string_view text);
std::string format_go_duration(int64_t ns);

}  // namespace bramble

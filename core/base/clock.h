// Clock: the only source of time for logic, so that tests decide it. Injected by constructor; any thread may read.
// Also RFC 3339 text as Kubernetes writes it (metav1.Time: seconds, MicroTime: six digits, always Z on output).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bramble {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t wall_us() const = 0;       // microseconds since 1970, may jump
  virtual int64_t monotonic_us() const = 0;  // never goes back, unrelated to wall time
  std::string now_rfc3339() const;           // "2026-01-02T03:04:05Z"
  std::string now_rfc3339_micro() const;     // "2026-01-02T03:04:05.678901Z"
};

class RealClock final : public Clock {
 public:
  int64_t wall_us() const override;
  int64_t monotonic_us() const override;
};

// For tests and the simulation: stands still until advanced.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(int64_t wall_us = 1767323045000000) : wall_us_(wall_us) {}
  int64_t wall_us() const override { return wall_us_; }
  int64_t monotonic_us() const override { return monotonic_us_; }
  void advance_us(int64_t us) { wall_us_ += us; monotonic_us_ += us; }
  void set_wall_us(int64_t us) { wall_us_ = us; }

 private:
  int64_t wall_us_;
  int64_t monotonic_us_ = 1000000;
};

std::string format_rfc3339(int64_t wall_us);        // whole seconds, Z
std::string format_rfc3339_micro(int64_t wall_us);  // six digits, Z
std::string format_rfc3339_nano(int64_t wall_ns);   // nine digits, Z (CRI log lines)
// Accepts any RFC 3339 time with offset and fraction (digits beyond microseconds are cut). Nothing if malformed.
std::optional<int64_t> parse_rfc3339(std::string_view text);
// Age as kubectl's tables print it: "5s", "2m3s", "3h4m", "5d2h", "320d", "2y45d" (duration.HumanDuration).
std::string human_duration(int64_t us);

}  // namespace bramble

#include "core/base/clock.h"

#include <time.h>

#include "core/base/strings.h"

namespace bramble {

static int64_t read_clock(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return static_cast<int64_t>(t.tv_sec) * 1000000 + t.tv_nsec / 1000;
}
int64_t RealClock::wall_us() const { return read_clock(CLOCK_REALTIME); }
int64_t RealClock::monotonic_us() const { return read_clock(CLOCK_MONOTONIC); }
std::string Clock::now_rfc3339() const { return format_rfc3339(wall_us()); }
std::string Clock::now_rfc3339_micro() const { return format_rfc3339_micro(wall_us()); }

// Civil date from days since 1970-01-01 and back (proleptic Gregorian calendar), without the C library's time_t limits on
// 32-bit machines.
static void civil_from_days(int64_t z, int64_t* y, unsigned* m, unsigned* d) {
  z += 719468;
  int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  auto doe = static_cast<unsigned>(z - era * 146097);
  unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  *y = static_cast<int64_t>(yoe) + era * 400;
  unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  unsigned mp = (5 * doy + 2) / 153;
  *d = doy - (153 * mp + 2) / 5 + 1;
  *m = mp < 10 ? mp + 3 : mp - 9;
  *y += *m <= 2;
}
static int64_t days_from_civil(int64_t y, unsigned m, unsigned d) {
  y -= m <= 2;
  int64_t era = (y >= 0 ? y : y - 399) / 400;
  auto yoe = static_cast<unsigned>(y - era * 400);
  unsigned doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
  unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + static_cast<int64_t>(doe) - 719468;
}

// Not snprintf: each write prints a time or three, and that is a thirtieth of what it costs.
static void put_digits(std::string* out, int64_t value, size_t width, char before = 0) {
  if (before != 0) *out += before;
  if (value < 0) *out += '-';
  std::string digits = std::to_string(value < 0 ? -value : value);
  if (digits.size() < width) out->append(width - digits.size(), '0');
  *out += digits;
}

static std::string format_seconds(int64_t seconds) {
  int64_t days = seconds >= 0 ? seconds / 86400 : -((86399 - seconds) / 86400);
  int64_t rest = seconds - days * 86400;
  int64_t y;
  unsigned m, d;
  civil_from_days(days, &y, &m, &d);
  std::string out;
  out.reserve(sizeof "2026-01-02T03:04:05.000000000Z");
  put_digits(&out, y, 4);
  put_digits(&out, m, 2, '-');
  put_digits(&out, d, 2, '-');
  put_digits(&out, rest / 3600, 2, 'T');
  put_digits(&out, rest / 60 % 60, 2, ':');
  put_digits(&out, rest % 60, 2, ':');
  return out;
}

static std::string format_fraction(int64_t value, int64_t per_second, size_t digits) {
  int64_t seconds = value >= 0 ? value / per_second : -((per_second - 1 - value) / per_second);
  std::string out = format_seconds(seconds);
  put_digits(&out, value - seconds * per_second, digits, '.');
  return out + "Z";
}

std::string format_rfc3339(int64_t wall_us) {
  return format_seconds(wall_us >= 0 ? wall_us / 1000000 : -((999999 - wall_us) / 1000000)) + "Z";
}
std::string format_rfc3339_micro(int64_t wall_us) { return format_fraction(wall_us, 1000000, 6); }
std::string format_rfc3339_nano(int64_t wall_ns) { return format_fraction(wall_ns, 1000000000, 9); }

namespace {
// Reads exactly `digits` decimal digits at the front of *s.
bool take_digits(std::string_view* s, size_t digits, int64_t* out) {
  if (s->size() < digits) return false;
  *out = 0;
  for (size_t i = 0; i < digits; i++) {
    char c = (*s)[i];
    if (c < '0' || c > '9') return false;
    *out = *out * 10 + (c - '0');
  }
  s->remove_prefix(digits);
  return true;
}
bool take_char(std::string_view* s, char c) {
  if (s->empty() || s->front() != c) return false;
  s->remove_prefix(1);
  return true;
}
}  // namespace

std::optional<int64_t> parse_rfc3339(std::string_view s) {
  int64_t y, mo, d, h, mi, sec, fraction_us = 0, offset_s = 0;
  if (!take_digits(&s, 4, &y) || !take_char(&s, '-') || !take_digits(&s, 2, &mo) || !take_char(&s, '-') ||
      !take_digits(&s, 2, &d) || !take_char(&s, 'T') || !take_digits(&s, 2, &h) || !take_char(&s, ':') ||
      !take_digits(&s, 2, &mi) || !take_char(&s, ':') || !take_digits(&s, 2, &sec))
    return std::nullopt;
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
  if (mo < 1 || mo > 12 || d < 1 || d > kDays[mo - 1] + (mo == 2 && leap) || h > 23 || mi > 59 || sec > 59) return std::nullopt;
  if (take_char(&s, '.')) {
    int64_t scale = 100000;
    size_t digits = 0;
    while (!s.empty() && s.front() >= '0' && s.front() <= '9') {
      fraction_us += (s.front() - '0') * scale;
      scale /= 10;
      s.remove_prefix(1);
      digits++;
    }
    if (digits == 0) return std::nullopt;
  }
  if (!take_char(&s, 'Z')) {
    int64_t sign = take_char(&s, '-') ? -1 : take_char(&s, '+') ? 1 : 0, oh, om;
    if (sign == 0 || !take_digits(&s, 2, &oh) || !take_char(&s, ':') || !take_digits(&s, 2, &om) || oh > 24 || om > 60)
      return std::nullopt;
    offset_s = sign * (oh * 3600 + om * 60);
  }
  if (!s.empty()) return std::nullopt;
  int64_t days = days_from_civil(y, static_cast<unsigned>(mo), static_cast<unsigned>(d));
  return (days * 86400 + h * 3600 + mi * 60 + sec - offset_s) * 1000000 + fraction_us;
}

std::string human_duration(int64_t us) {
  int64_t s = us / 1000000;
  if (us < 0) return s < -1 ? "<invalid>" : "0s";
  if (s < 120) return cat(s, "s");
  int64_t m = s / 60;
  if (m < 10) return s % 60 ? cat(m, "m", s % 60, "s") : cat(m, "m");
  if (m < 180) return cat(m, "m");
  int64_t h = m / 60;
  if (h < 8) return m % 60 ? cat(h, "h", m % 60, "m") : cat(h, "h");
  if (h < 48) return cat(h, "h");
  if (h < 192) return h % 24 ? cat(h / 24, "d", h % 24, "h") : cat(h / 24, "d");
  int64_t days = h / 24;
  if (days < 730) return cat(days, "d");
  int64_t years = days / 365;
  if (years < 8) return days % 365 ? cat(years, "y", days % 365, "d") : cat(years, "y");
  return cat(years, "y");
}

}  // namespace bramble

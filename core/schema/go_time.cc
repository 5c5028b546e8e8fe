#include "core/schema/go_time.h"

#include "core/base/clock.h"
#include "core/base/strings.h"

namespace bramble {

namespace {

constexpr std::string_view kTimeLayout = "2006-01-02T15:04:05Z07:00";
constexpr std::string_view kMicroLayout = "2006-01-02T15:04:05.000000Z07:00";

bool digit(char c) { return c >= '0' && c <= '9'; }

bool digits_at(std::string_view s, size_t n) {
  if (s.size() < n) return false;
  for (size_t i = 0; i < n; i++) {
    if (!digit(s[i])) return false;
  }
  return true;
}

int number_of(std::string_view s) { return (s[0] - '0') * 10 + (s[1] - '0'); }

// Why Go's time.Parse refuses `text`: walks the layout element by element. Called only when reading it has failed.
std::string parse_failure(std::string_view text, bool micro) {
  std::string_view layout = micro ? kMicroLayout : kTimeLayout, rest = text;
  std::string head = cat("parsing time ", go_quote(text));
  auto cannot = [&](std::string_view element) {
    return cat(head, " as ", go_quote(layout), ": cannot parse ", go_quote(rest), " as ", go_quote(element));
  };
  auto out_of_range = [&](std::string_view what) { return cat(head, ": ", what, " out of range"); };
  static constexpr struct {
    std::string_view before, element, what;
    int low, high;
  } kSteps[] = {{"-", "01", "month", 1, 12}, {"-", "02", "day", 1, 31}, {"T", "15", "hour", 0, 23},
                {":", "04", "minute", 0, 59}, {":", "05", "second", 0, 59}};
  if (!digits_at(rest, 4)) return cannot("2006");
  rest.remove_prefix(4);
  for (const auto& step : kSteps) {
    if (rest.substr(0, 1) != step.before) return cannot(step.before);
    rest.remove_prefix(1);
    if (!digits_at(rest, 2)) return cannot(step.element);
    int n = number_of(rest);
    if (n < step.low || n > step.high) return out_of_range(step.what);
    rest.remove_prefix(2);
  }
  if (micro) {
    if (rest.empty() || rest[0] != '.' || !digits_at(rest.substr(1), 6)) return cannot(".000000");
    rest.remove_prefix(7);
  } else if (rest.size() > 1 && rest[0] == '.' && digit(rest[1])) {
    rest.remove_prefix(1);
    while (!rest.empty() && digit(rest[0])) rest.remove_prefix(1);
  }
  if (!rest.empty() && rest[0] == 'Z') {
    rest.remove_prefix(1);
  } else {
    if (rest.size() < 6 || (rest[0] != '+' && rest[0] != '-') || !digits_at(rest.substr(1), 2) || rest[3] != ':' ||
        !digits_at(rest.substr(4), 2))
      return cannot("Z07:00");
    rest.remove_prefix(6);
  }
  if (!rest.empty()) return cat(head, ": extra text: ", go_quote(rest));
  return out_of_range("day");
}

Result<int64_t> read_time(std::string_view text, bool micro) {
  auto us = parse_rfc3339(text);
  // Go wants exactly the six digits of MicroTime's layout (more is "extra", fewer does not parse).
  bool six = text.size() > 26 && text[19] == '.' && digits_at(text.substr(20), 6) && !digit(text[26]);
  if (us && (!micro || six)) return *us;
  return Error(Code::kInvalidArgument, parse_failure(text, micro));
}

}  // namespace

Result<std::string> normal_time(std::string_view text) {
  TRY_ASSIGN(int64_t us, read_time(text, false));
  return format_rfc3339(us);
}

Result<std::string> normal_micro_time(std::string_view text) {
  TRY_ASSIGN(int64_t us, read_time(text, true));
  return format_rfc3339_micro(us);
}

std::optional<int64_t> parse_go_duration(std::string_view s) {
  static constexpr struct {
    std::string_view name;
    int64_t ns;
  } kUnits[] = {{"ns", 1}, {"us", 1000}, {"\u00b5s", 1000}, {"\u03bcs", 1000}, {"ms", 1000000}, {"s", 1000000000},
                {"m", 60 * 1000000000LL}, {"h", 3600 * 1000000000LL}};
  bool minus = !s.empty() && s[0] == '-';
  if (minus || (!s.empty() && s[0] == '+')) s.remove_prefix(1);
  if (s == "0") return 0;
  if (s.empty()) return std::nullopt;
  int64_t total = 0;
  while (!s.empty()) {
    int64_t whole = 0;
    double fraction = 0, scale = 1;
    bool any = false;
    for (; !s.empty() && digit(s[0]); s.remove_prefix(1), any = true) {
      if (__builtin_mul_overflow(whole, static_cast<int64_t>(10), &whole) ||
          __builtin_add_overflow(whole, static_cast<int64_t>(s[0] - '0'), &whole))
        return std::nullopt;
    }
    if (!s.empty() && s[0] == '.') {
      s.remove_prefix(1);
      for (; !s.empty() && digit(s[0]); s.remove_prefix(1), any = true) {
        if (scale >= 1e17) continue;
        fraction = fraction * 10 + (s[0] - '0');
        scale *= 10;
      }
    }
    if (!any) return std::nullopt;
    size_t end = 0;
    while (end < s.size() && s[end] != '.' && !digit(s[end])) end++;
    int64_t unit = 0;
    for (const auto& u : kUnits) {
      if (s.substr(0, end) == u.name) unit = u.ns;
    }
    if (unit == 0) return std::nullopt;
    s.remove_prefix(end);
    if (__builtin_mul_overflow(whole, unit, &whole)) return std::nullopt;
    if (__builtin_add_overflow(whole, static_cast<int64_t>(fraction * (static_cast<double>(unit) / scale)), &whole) ||
        __builtin_add_overflow(total, whole, &total))
      return std::nullopt;
  }
  return minus ? -total : total;
}

std::string format_go_duration(int64_t ns) {
  if (ns == 0) return "0s";
  uint64_t u = ns < 0 ? -static_cast<uint64_t>(ns) : static_cast<uint64_t>(ns);
  auto with_fraction = [](uint64_t value, uint64_t unit, std::string_view name) {
    std::string out = cat(value / unit);
    if (uint64_t rest = value % unit; rest != 0) {
      std::string digits = cat(unit + rest).substr(1);
      digits.erase(digits.find_last_not_of('0') + 1);
      out += cat(".", digits);
    }
    return cat(out, name);
  };
  std::string out;
  if (u < 1000) out = cat(u, "ns");
  else if (u < 1000000) out = with_fraction(u, 1000, "\u00b5s");
  else if (u < 1000000000) out = with_fraction(u, 1000000, "ms");
  else {
    uint64_t minutes = u / 60000000000ULL;
    if (minutes >= 60) out = cat(minutes / 60, "h");
    if (minutes > 0) out += cat(minutes % 60, "m");
    out += with_fraction(u % 60000000000ULL, 1000000000, "s");
  }
  return ns < 0 ? cat("-", out) : out;
}

Result<std::string> normal_duration(std::string_view text) {
  auto ns = parse_go_duration(text);
  if (!ns) return Error(Code::kInvalidArgument, cat("time: invalid duration ", go_quote(text)));
  return format_go_duration(*ns);
}

}  // namespace bramble

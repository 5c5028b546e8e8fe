#include "core/json/yaml_scalar.h"

#include <charconv>
#include <cmath>

#include "core/base/strings.h"

namespace bramble {

namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

bool one_of(std::string_view s, std::initializer_list<std::string_view> words) {
  for (std::string_view w : words) {
    if (s == w) return true;
  }
  return false;
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool looks_like_float(std::string_view s) {
  size_t i = 0, whole = 0, fraction = 0;
  auto run = [&] {
    size_t n = 0;
    for (; i < s.size() && digit(s[i]); i++) n++;
    return n;
  };
  if (i < s.size() && (s[i] == '-' || s[i] == '+')) i++;
  whole = run();
  if (i < s.size() && s[i] == '.') {
    i++;
    fraction = run();
    if (whole == 0 && fraction == 0) return false;
  } else if (whole == 0) {
    return false;
  }
  if (i < s.size() && (s[i] == 'e' || s[i] == 'E')) {
    i++;
    if (i < s.size() && (s[i] == '-' || s[i] == '+')) i++;
    if (run() == 0) return false;
  }
  return i == s.size();
}

// An integer with Go's base prefixes (0x, 0o, 0b, or a leading 0 for octal), as decimal text.
std::optional<std::string> read_integer(std::string_view s) {
  bool minus = !s.empty() && s[0] == '-';
  if (minus || (!s.empty() && s[0] == '+')) s.remove_prefix(1);
  int base = 10;
  if (s.size() > 1 && s[0] == '0') {
    char c = s[1] | 0x20;
    base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
    s.remove_prefix(c == 'x' || c == 'b' || c == 'o' ? 2 : 1);
  }
  uint64_t n = 0;
  if (s.empty() || s[0] == '-') return std::nullopt;
  auto [end, err] = std::from_chars(s.data(), s.data() + s.size(), n, base);
  if (err != std::errc() || end != s.data() + s.size()) return std::nullopt;
  if (minus && n > static_cast<uint64_t>(INT64_MAX) + 1) return std::nullopt;
  return minus && n != 0 ? cat("-", n) : cat(n);
}

}  // namespace

std::string go_float(double v) {
  char buf[400];
  double size = std::fabs(v);
  auto form = size != 0 && (size < 1e-6 || size >= 1e21) ? std::chars_format::scientific : std::chars_format::fixed;
  auto [end, err] = std::to_chars(buf, buf + sizeof buf, v, form);
  std::string out(buf, err == std::errc() ? end : buf);
  // Go writes e-9 where C++ writes e-09.
  if (size_t e = out.find("e-0"); e != std::string::npos) out.erase(e + 2, 1);
  return out;
}

Scalar resolve_plain(std::string_view s) {
  if (one_of(s, {"", "~", "null", "Null", "NULL"})) return {ScalarKind::kNull, "null"};
  if (one_of(s, {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})) return {ScalarKind::kBool, "true"};
  if (one_of(s, {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})) return {ScalarKind::kBool, "false"};
  if (s == "<<") return {ScalarKind::kMerge, {}};
  if (one_of(s, {".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF"})) {
    return {ScalarKind::kNotANumber, {}};
  }
  if (!digit(s[0]) && s[0] != '-' && s[0] != '+' && s[0] != '.') return {};
  std::string plain = replace_all(s, "_", "");
  if (s[0] != '.') {
    if (auto n = read_integer(plain)) return {ScalarKind::kInt, *n};
  }
  if (looks_like_float(plain)) {
    std::string_view number = plain[0] == '+' ? std::string_view(plain).substr(1) : std::string_view(plain);
    double v = 0;
    auto [end, err] = std::from_chars(number.data(), number.data() + number.size(), v);
    if (err == std::errc() && end == number.data() + number.size()) return {ScalarKind::kFloat, go_float(v)};
  }
  return {};
}

}  // namespace bramble

#include "core/schema/apply/go_value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>
#include <vector>

#include "core/base/strings.h"

namespace bramble {

namespace {

constexpr double kPlainMin = 1e-4, kPlainMax = 1e6;  // %g: six digits decide

void append_escape(std::string* out, unsigned char c) { *out += cat("\\u00", hex(std::string_view(reinterpret_cast<const char*>(&c), 1))); }

std::vector<Value::Member> sorted_members(Value v) {
  std::vector<Value::Member> members;
  members.reserve(v.size());
  for (Value::Member m : v.members()) members.push_back(m);
  std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  return members;
}

}  // namespace

std::string go_float_text(double v) {
  char buf[400];
  const double size = std::fabs(v);
  const auto form = size != 0 && (size < kPlainMin || size >= kPlainMax) ? std::chars_format::scientific : std::chars_format::fixed;
  auto [end, err] = std::to_chars(buf, buf + sizeof buf, v, form);
  return std::string(buf, err == std::errc() ? end : buf);
}

std::string go_json_string(std::string_view s) {
  std::string out;
  out.reserve(s.size() + 2);
  out.push_back('"');
  for (size_t i = 0; i < s.size(); i++) {
    const unsigned char c = static_cast<unsigned char>(s[i]);
    if (c == '"' || c == '\\') out.append({'\\', s[i]});
    else if (c == '\n') out += "\\n";
    else if (c == '\r') out += "\\r";
    else if (c == '\t') out += "\\t";
    else if (c < 0x20 || c == '<' || c == '>' || c == '&') append_escape(&out, c);
    else if (c == 0xe2 && (s.substr(i, 3) == "\u2028" || s.substr(i, 3) == "\u2029")) out += s[i += 2] == '\xa8' ? "\\u2028" : "\\u2029";
    else out.push_back(s[i]);
  }
  out.push_back('"');
  return out;
}

namespace {

using Printer = std::string (*)(Value);

std::string list_text(Value v, std::string_view separator, Printer print) {
  std::string out;
  bool first = true;
  for (Value item : v.items()) {
    if (!std::exchange(first, false)) out += separator;
    out += print(item);
  }
  return out;
}

}  // namespace

std::string go_syntax(Value v) {
  if (v.is_string()) return go_quote(v.str());
  if (v.is_number()) return go_float_text(v.number());
  if (v.is_array()) return cat("[]interface {}{", list_text(v, ", ", go_syntax), "}");
  if (v.is_object()) {
    std::vector<std::string> members;
    for (const auto& [key, value] : sorted_members(v)) members.push_back(cat(go_quote(key), ":", go_syntax(value)));
    return cat("map[string]interface {}{", join(members, ", "), "}");
  }
  return v.is_bool() ? v.dump() : "interface {}(nil)";
}

std::string go_plain(Value v) {
  if (v.is_string()) return v.text();
  if (v.is_number()) return go_float_text(v.number());
  if (v.is_array()) return cat("[", list_text(v, " ", go_plain), "]");
  if (v.is_object()) {
    std::vector<std::string> members;
    for (const auto& [key, value] : sorted_members(v)) members.push_back(cat(key, ":", go_plain(value)));
    return cat("map[", join(members, " "), "]");
  }
  return v.is_bool() ? v.dump() : "<nil>";
}

}  // namespace bramble

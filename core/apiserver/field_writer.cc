#include "core/apiserver/field_writer.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/strings.h"

namespace bramble {

namespace {

// One character of UTF-8 at the front of `s`; a byte that is none counts as U+FFFD.
struct Character {
  uint32_t code;
  size_t bytes;
};

Character first_character(std::string_view s) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned lead = byte(0);
  const size_t n = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (n == 1) return {lead, 1};
  if (n > s.size() || !valid_utf8(s.substr(0, n))) return {0xfffd, 1};
  uint32_t code = lead & (0xffu >> (n + 1));
  for (size_t i = 1; i < n; i++) code = code << 6 | (byte(i) & 0x3f);
  return {code, n};
}

// Go's unicode.IsPrint, but for characters that nobody has assigned: what controls, separates or formats is not printed,
// the plain space aside.
bool printable(uint32_t c) {
  struct Range {
    uint32_t first, last;
  };
  static constexpr Range kNot[] = {{0, 0x1f},         {0x7f, 0xa0},     {0xad, 0xad},     {0x600, 0x605},   {0x61c, 0x61c},
                                   {0x6dd, 0x6dd},    {0x70f, 0x70f},   {0x1680, 0x1680}, {0x180e, 0x180e}, {0x2000, 0x200f},
                                   {0x2028, 0x202f},  {0x205f, 0x206f}, {0x3000, 0x3000}, {0xd800, 0xf8ff}, {0xfeff, 0xfeff},
                                   {0xfff9, 0xfffb},  {0xfffe, 0xffff}, {0x110bd, 0x110bd}, {0x1d173, 0x1d17a}, {0xe0000, 0x10ffff}};
  return std::none_of(std::begin(kNot), std::end(kNot), [c](const Range& r) { return c >= r.first && c <= r.last; });
}

std::string code_point(uint32_t c) {
  std::string digits;
  for (int shift = 20; shift >= 0; shift -= 4) {
    const unsigned d = c >> shift & 0xf;
    if (d != 0 || !digits.empty() || shift < 16) digits.push_back("0123456789ABCDEF"[d]);
  }
  return cat("U+", digits);
}

}  // namespace

std::string manager_of_user_agent(std::string_view user_agent) {
  std::string_view rest = user_agent.substr(0, user_agent.find('/'));
  std::string out;
  while (!rest.empty()) {
    const Character c = first_character(rest);
    if (printable(c.code)) {
      const std::string_view text = c.code == 0xfffd ? "\xef\xbf\xbd" : rest.substr(0, c.bytes);
      if (out.size() + text.size() > limits::kFieldManagerBytesMax) break;
      out += text;
    }
    rest.remove_prefix(c.bytes);
  }
  return out;
}

std::string manager_of_part(const Identity& part) {
  if (part.user == "system:apiserver") return "kube-apiserver";
  if (part.user == "system:kube-scheduler") return "kube-scheduler";
  if (part.user == "system:kube-proxy") return "kube-proxy";
  if (part.user.rfind("system:node:", 0) == 0) return "kubelet";
  return "kube-controller-manager";
}

void check_field_manager(std::string_view manager, FieldErrors& errors) {
  const Path at("fieldManager");
  if (manager.size() > limits::kFieldManagerBytesMax) {
    errors.add({"FieldValueTooLong", "fieldManager", cat("Too long: may not be more than ", limits::kFieldManagerBytesMax, " bytes")});
  }
  for (size_t i = 0; i < manager.size();) {
    const Character c = first_character(manager.substr(i));
    if (!printable(c.code)) errors.invalid(at, manager, cat("invalid character ", code_point(c.code), " (at position ", i, ")"));
    i += c.bytes;
  }
}

}  // namespace bramble

#include "core/base/strings.h"

#include <charconv>
#include <cstdio>
#include <cstring>

namespace bramble {

Piece::Piece(long long v) {
  auto r = std::to_chars(buf_, buf_ + sizeof buf_, v);
  text_ = std::string_view(buf_, static_cast<size_t>(r.ptr - buf_));
}
Piece::Piece(unsigned long long v) {
  auto r = std::to_chars(buf_, buf_ + sizeof buf_, v);
  text_ = std::string_view(buf_, static_cast<size_t>(r.ptr - buf_));
}
Piece::Piece(double v) {
  int n = std::snprintf(buf_, sizeof buf_, "%g", v);
  text_ = std::string_view(buf_, static_cast<size_t>(n));
}

std::string cat_pieces(std::initializer_list<std::string_view> pieces) {
  size_t total = 0;
  for (auto p : pieces) total += p.size();
  std::string out;
  out.reserve(total);
  for (auto p : pieces) out.append(p);
  return out;
}

std::vector<std::string_view> split(std::string_view s, char sep) {
  std::vector<std::string_view> out;
  for (;;) {
    size_t at = s.find(sep);
    out.push_back(s.substr(0, at));
    if (at == std::string_view::npos) return out;
    s.remove_prefix(at + 1);
  }
}

std::optional<std::pair<std::string_view, std::string_view>> cut(std::string_view s, std::string_view sep) {
  size_t at = s.find(sep);
  if (at == std::string_view::npos) return std::nullopt;
  return std::make_pair(s.substr(0, at), s.substr(at + sep.size()));
}

std::string join(const std::vector<std::string>& parts, std::string_view sep) {
  std::string out;
  for (size_t i = 0; i < parts.size(); i++) {
    if (i) out.append(sep);
    out.append(parts[i]);
  }
  return out;
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::string_view trim(std::string_view s) {
  while (!s.empty() && is_space(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_space(s.back())) s.remove_suffix(1);
  return s;
}

static char lower_char(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = lower_char(c);
  return out;
}

bool equals_ignore_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); i++)
    if (lower_char(a[i]) != lower_char(b[i])) return false;
  return true;
}

std::string replace_all(std::string_view s, std::string_view from, std::string_view to) {
  std::string out;
  if (from.empty()) return std::string(s);
  for (;;) {
    size_t at = s.find(from);
    out.append(s.substr(0, at));
    if (at == std::string_view::npos) return out;
    out.append(to);
    s.remove_prefix(at + from.size());
  }
}

template <class T>
static std::optional<T> parse_number(std::string_view s) {
  T v{};
  auto r = std::from_chars(s.data(), s.data() + s.size(), v, 10);
  if (s.empty() || r.ec != std::errc() || r.ptr != s.data() + s.size()) return std::nullopt;
  return v;
}
std::optional<int64_t> parse_int64(std::string_view s) { return parse_number<int64_t>(s); }
std::optional<uint64_t> parse_uint64(std::string_view s) { return parse_number<uint64_t>(s); }

std::string hex(std::string_view bytes) {
  static const char* digits = "0123456789abcdef";
  std::string out(bytes.size() * 2, '\0');
  char* to = out.data();
  for (unsigned char c : bytes) {
    *to++ = digits[c >> 4];
    *to++ = digits[c & 15];
  }
  return out;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower_char(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::optional<std::string> unhex(std::string_view text) {
  if (text.size() % 2) return std::nullopt;
  std::string out;
  for (size_t i = 0; i < text.size(); i += 2) {
    int a = hex_digit(text[i]), b = hex_digit(text[i + 1]);
    if (a < 0 || b < 0) return std::nullopt;
    out.push_back(static_cast<char>(a * 16 + b));
  }
  return out;
}

// The character at the front of s: its code point and how many bytes it takes; 0 bytes when it is not UTF-8 (RFC 3629).
struct Rune {
  uint32_t code = 0;
  size_t bytes = 0;
};
static Rune first_rune(std::string_view s) {
  auto c = static_cast<unsigned char>(s[0]);
  size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
  if (n == 0 || n > s.size()) return {};
  uint32_t cp = n == 1 ? c : c & (0xffu >> (n + 1));
  for (size_t k = 1; k < n; k++) {
    auto d = static_cast<unsigned char>(s[k]);
    if ((d & 0xc0) != 0x80) return {};
    cp = cp << 6 | (d & 0x3fu);
  }
  bool overlong = (n == 3 && cp < 0x800) || (n == 4 && cp < 0x10000);
  if (overlong || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000)) return {};
  return {cp, n};
}

// unicode.IsPrint for what is not ASCII, without its table of unassigned code points: controls, spaces, formatting and
// private characters are not printed.
static bool is_printable(uint32_t c) {
  struct Range {
    uint32_t first, last;
  };
  static constexpr Range kNot[] = {{0x7f, 0xa0},     {0xad, 0xad},     {0x600, 0x605},   {0x61c, 0x61c},   {0x6dd, 0x6dd},
                                   {0x70f, 0x70f},   {0x1680, 0x1680}, {0x180e, 0x180e}, {0x2000, 0x200f}, {0x2028, 0x202f},
                                   {0x205f, 0x206f}, {0x3000, 0x3000}, {0xe000, 0xf8ff}, {0xfeff, 0xfeff}, {0xfff0, 0xfffb},
                                   {0xfffe, 0xffff}, {0xe0000, 0xe0fff}, {0xf0000, 0x10ffff}};
  if (c < 0x20) return false;
  for (auto& r : kNot)
    if (c >= r.first && c <= r.last) return false;
  return true;
}

static void append_quoted(std::string* out, Rune r, std::string_view bytes) {
  switch (r.code) {
    case '"': *out += "\\\""; return;
    case '\\': *out += "\\\\"; return;
    case '\n': *out += "\\n"; return;
    case '\r': *out += "\\r"; return;
    case '\t': *out += "\\t"; return;
    case '\a': *out += "\\a"; return;
    case '\b': *out += "\\b"; return;
    case '\f': *out += "\\f"; return;
    case '\v': *out += "\\v"; return;
  }
  if (is_printable(r.code)) {
    out->append(bytes);
    return;
  }
  char buf[16];
  const char* form = r.code < 0x80 ? "\\x%02x" : r.code < 0x10000 ? "\\u%04x" : "\\U%08x";
  int n = std::snprintf(buf, sizeof buf, form, r.code);
  out->append(buf, static_cast<size_t>(n));
}

std::string go_quote(std::string_view s) {
  std::string out = "\"";
  while (!s.empty()) {
    Rune r = first_rune(s);
    if (r.bytes == 0) {  // a byte that is not UTF-8
      out += "\\x" + hex(s.substr(0, 1));
      s.remove_prefix(1);
    } else {
      append_quoted(&out, r, s.substr(0, r.bytes));
      s.remove_prefix(r.bytes);
    }
  }
  out.push_back('"');
  return out;
}

bool valid_utf8(std::string_view s) {
  while (!s.empty()) {
    Rune r = first_rune(s);
    if (r.bytes == 0) return false;
    s.remove_prefix(r.bytes);
  }
  return true;
}

namespace {
constexpr char kStandard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char kUrl[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encode64(std::string_view in, const char* alphabet, bool pad) {
  std::string out;
  out.reserve((in.size() + 2) / 3 * 4);
  for (size_t i = 0; i < in.size(); i += 3) {
    uint32_t v = 0;
    size_t n = in.size() - i < 3 ? in.size() - i : 3;
    for (size_t k = 0; k < 3; k++) v = v << 8 | (k < n ? static_cast<unsigned char>(in[i + k]) : 0u);
    for (size_t k = 0; k < 4; k++) {
      if (k <= n) out.push_back(alphabet[v >> (18 - 6 * k) & 63]);
      else if (pad) out.push_back('=');
    }
  }
  return out;
}

std::optional<std::string> decode64(std::string_view in, const char* alphabet, bool pad) {
  if (pad) {
    if (in.size() % 4) return std::nullopt;
    for (int k = 0; k < 2 && !in.empty() && in.back() == '='; k++) in.remove_suffix(1);
  }
  if (in.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(in.size() * 3 / 4);
  uint32_t v = 0;
  int bits = 0;
  for (char c : in) {
    const char* at = c ? std::strchr(alphabet, c) : nullptr;
    if (!at) return std::nullopt;
    v = v << 6 | static_cast<uint32_t>(at - alphabet);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out.push_back(static_cast<char>(v >> bits & 255));
    }
  }
  return out;
}
}  // namespace

std::string base64_encode(std::string_view b) { return encode64(b, kStandard, true); }
std::optional<std::string> base64_decode(std::string_view t) { return decode64(t, kStandard, true); }
std::string base64url_encode(std::string_view b) { return encode64(b, kUrl, false); }
std::optional<std::string> base64url_decode(std::string_view t) { return decode64(t, kUrl, false); }

}  // namespace bramble

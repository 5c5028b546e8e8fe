#include <algorithm>
#include <vector>

#include "core/base/strings.h"
#include "core/json/stored.h"
#include "core/json/yaml.h"
#include "core/json/yaml_scalar.h"

namespace bramble {

namespace {

// Byte order marks and Unicode's line breaks, which YAML 1.1 takes for line breaks too, and how they are escaped.
struct Escape {
  std::string_view text, escaped;
};
constexpr Escape kUnicodeBreaks[] = {{"\xc2\x85", "\\N"}, {"\xe2\x80\xa8", "\\L"}, {"\xe2\x80\xa9", "\\P"}, {"\xef\xbb\xbf", "\\uFEFF"}};

bool has_unicode_breaks(std::string_view s) {
  return std::any_of(std::begin(kUnicodeBreaks), std::end(kUnicodeBreaks), [&](const Escape& e) { return s.find(e.text) != std::string_view::npos; });
}

// Whether the text reads back as itself without quotes, in go-yaml and in stricter readers.
bool plain_is_safe(std::string_view s) {
  if (s.empty() || resolve_plain(s).kind != ScalarKind::kString) return false;
  if (s.front() == ' ' || s.back() == ' ' || s.back() == ':') return false;
  if (std::string_view("!&*%@`\"'#|>{}[],?").find(s.front()) != std::string_view::npos) return false;
  if ((s.front() == '-' || s.front() == ':') && (s.size() == 1 || s[1] == ' ')) return false;
  if (s.substr(0, 3) == "---" || s.substr(0, 3) == "...") return false;
  if (s == "=" || (s[0] >= '0' && s[0] <= '9' && s.size() >= 8 && s[4] == '-')) return false;  // 1.1's value key, timestamps
  for (size_t i = 0; i < s.size(); i++) {
    auto c = static_cast<unsigned char>(s[i]);
    if (c < 0x20 || c == 0x7f) return false;
    if (c == ':' && i + 1 < s.size() && s[i + 1] == ' ') return false;
    if (c == '#' && i > 0 && s[i - 1] == ' ') return false;
  }
  return valid_utf8(s) && !has_unicode_breaks(s);
}

// Text of several lines that a literal block (|) can hold.
bool block_is_safe(std::string_view s) {
  if (s.find('\n') == std::string_view::npos || !valid_utf8(s)) return false;
  if (s.front() == ' ' || s.front() == '\n' || s.front() == '\t') return false;
  for (size_t i = 0; i < s.size(); i++) {
    auto c = static_cast<unsigned char>(s[i]);
    if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) return false;
    if (c == '\n' && i > 0 && (s[i - 1] == ' ' || s[i - 1] == '\t')) return false;
  }
  return !has_unicode_breaks(s);
}

void write_quoted(std::string* out, std::string_view s) {
  out->push_back('"');
  for (size_t i = 0; i < s.size(); i++) {
    auto at = std::find_if(std::begin(kUnicodeBreaks), std::end(kUnicodeBreaks), [&](const Escape& e) { return s.substr(i).starts_with(e.text); });
    if (at != std::end(kUnicodeBreaks)) {
      *out += at->escaped;
      i += at->text.size() - 1;
      continue;
    }
    char c = s[i];
    switch (c) {
      case '"': *out += "\\\""; break;
      case '\\': *out += "\\\\"; break;
      case '\n': *out += "\\n"; break;
      case '\t': *out += "\\t"; break;
      case '\r': *out += "\\r"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) *out += cat("\\x", hex(std::string_view(&c, 1)));
        else out->push_back(c);
    }
  }
  out->push_back('"');
}

void write_text(std::string* out, std::string_view s, size_t indent) {
  if (plain_is_safe(s)) {
    *out += s;
  } else if (block_is_safe(s)) {
    *out += "|";
    size_t breaks = 0;
    while (breaks < s.size() && s[s.size() - 1 - breaks] == '\n') breaks++;
    if (breaks == 0) *out += "-";
    if (breaks > 1) *out += "+";
    std::string_view body = breaks > 0 ? s.substr(0, s.size() - 1) : s;
    for (std::string_view line : split(body, '\n')) {
      out->push_back('\n');
      if (!line.empty()) out->append(indent, ' ').append(line);
    }
  } else if (s.find_first_of("\n\r\t\\\x7f") == std::string_view::npos && valid_utf8(s) && !has_unicode_breaks(s) &&
             std::all_of(s.begin(), s.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20; }) &&
             resolve_plain(s).kind == ScalarKind::kString && !s.empty()) {
    out->push_back('\'');
    *out += replace_all(s, "'", "''");
    out->push_back('\'');
  } else {
    write_quoted(out, s);
  }
}

void write_node(std::string* out, Value v, size_t indent);

// The members at `indent`; the first line's indentation is written unless `inline_first`.
void write_members(std::string* out, Value v, size_t indent, bool inline_first) {
  std::vector<Value::Member> members;
  for (Value::Member m : v.members()) members.push_back(m);
  std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  for (auto& m : members) {
    Document open;  // of a folded value
    if (!folded_text(m.value).empty()) m.value = (open = unfolded(m.value)).root();
    if (!inline_first) out->append(indent, ' ');
    inline_first = false;
    if (plain_is_safe(m.key)) *out += m.key;
    else write_quoted(out, m.key);
    out->push_back(':');
    if (m.value.size() > 0) {
      out->push_back('\n');
      write_node(out, m.value, m.value.is_array() ? indent : indent + 2);
    } else {
      out->push_back(' ');
      write_node(out, m.value, indent + 2);
      out->push_back('\n');
    }
  }
}

void write_items(std::string* out, Value v, size_t indent, bool inline_first) {
  for (Value item : v.items()) {
    if (!inline_first) out->append(indent, ' ');
    inline_first = false;
    *out += "- ";
    if (item.size() == 0) {
      write_node(out, item, indent + 2);
      out->push_back('\n');
    } else if (item.is_object()) {
      write_members(out, item, indent + 2, true);
    } else {
      write_items(out, item, indent + 2, true);
    }
  }
}

// A filled object or list ends with a line break; everything else does not.
void write_node(std::string* out, Value v, size_t indent) {
  if (v.size() > 0) {
    if (v.is_object()) write_members(out, v, indent, false);
    else write_items(out, v, indent, false);
  } else if (v.is_string()) {
    write_text(out, v.str(), indent > 0 ? indent : 2);
  } else if (v.is_number() && !v.is_integer()) {
    *out += go_float(v.number());
  } else {
    *out += v.dump();
  }
}

}  // namespace

std::string to_yaml(Value v) {
  std::string out;
  if (!v) return out;
  write_node(&out, v, 0);
  if (v.size() == 0) out.push_back('\n');  // filled objects and lists have theirs; a text may end with one of its own
  return out;
}

}  // namespace bramble

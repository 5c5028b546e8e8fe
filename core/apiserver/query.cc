#include "core/apiserver/query.h"

#include "core/base/strings.h"

namespace bramble {

namespace {
int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
}  // namespace

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += c == '+' && plus_is_space ? ' ' : c;
    }
  }
  return out;
}

Query Query::parse(std::string_view raw) {
  Query q;
  if (raw.empty()) return q;
  for (std::string_view piece : split(raw, '&')) {
    if (piece.empty()) continue;
    size_t eq = piece.find('=');
    auto name = percent_decode(piece.substr(0, eq), true);
    auto value = percent_decode(eq == std::string_view::npos ? std::string_view() : piece.substr(eq + 1), true);
    if (name && value) q.pairs_.emplace_back(std::move(*name), std::move(*value));
  }
  return q;
}

bool Query::has(std::string_view name) const {
  for (const auto& [k, v] : pairs_) {
    if (k == name) return true;
  }
  return false;
}

std::string_view Query::get(std::string_view name) const {
  for (const auto& [k, v] : pairs_) {
    if (k == name) return v;
  }
  return {};
}

std::vector<std::string> Query::all(std::string_view name) const {
  std::vector<std::string> out;
  for (const auto& [k, v] : pairs_) {
    if (k == name) out.push_back(v);
  }
  return out;
}

bool Query::flag(std::string_view name) const {
  if (!has(name)) return false;
  std::string value = lower(get(name));
  return value != "0" && value != "false";
}

void Query::set(std::string_view name, std::string_view value) {
  for (auto& [k, v] : pairs_) {
    if (k == name) {
      v = value;
      return;
    }
  }
  pairs_.emplace_back(std::string(name), std::string(value));
}

}  // namespace bramble

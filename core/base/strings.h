// Text without iostream and without throwing: joining, splitting, numbers. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bramble {

// One piece of cat(): text or a number.
class Piece {
 public:
  Piece(std::string_view s) : text_(s) {}
  Piece(const std::string& s) : text_(s) {}
  Piece(const char* s) : text_(s) {}
  Piece(char c) : buf_{c}, text_(buf_, 1) {}
  Piece(int v) : Piece(static_cast<long long>(v)) {}
  Piece(long v) : Piece(static_cast<long long>(v)) {}
  Piece(long long v);
  Piece(unsigned v) : Piece(static_cast<unsigned long long>(v)) {}
  Piece(unsigned long v) : Piece(static_cast<unsigned long long>(v)) {}
  Piece(unsigned long long v);
  Piece(double v);
  Piece(bool) = delete;
  Piece(const Piece&) = delete;
  std::string_view text() const { return text_; }

 private:
  char buf_[32];
  std::string_view text_;
};

std::string cat_pieces(std::initializer_list<std::string_view> pieces);
// cat("pod ", ns, "/", name, ": ", 3): joins text and numbers.
template <class... A>
std::string cat(const A&... a) {
  return cat_pieces({Piece(a).text()...});
}
inline std::string cat() { return {}; }

std::vector<std::string_view> split(std::string_view s, char sep);               // keeps empty parts; "" gives {""}
std::optional<std::pair<std::string_view, std::string_view>> cut(std::string_view s, std::string_view sep);  // at the first sep
std::string join(const std::vector<std::string>& parts, std::string_view sep);
std::string_view trim(std::string_view s);                                       // ASCII white space
std::string lower(std::string_view s);                                           // ASCII
bool equals_ignore_case(std::string_view a, std::string_view b);                 // ASCII
std::string replace_all(std::string_view s, std::string_view from, std::string_view to);
// Whole-string decimal; nothing for a sign alone, spaces, overflow, or trailing characters.
std::optional<int64_t> parse_int64(std::string_view s);
std::optional<uint64_t> parse_uint64(std::string_view s);
std::string hex(std::string_view bytes);
std::optional<std::string> unhex(std::string_view text);
// Go's %q: double quotes, escapes for quotes, backslash, control characters.
std::string go_quote(std::string_view s);
bool valid_utf8(std::string_view s);

// Base64, RFC 4648 section 4 (standard alphabet with padding) and section 5 (url alphabet, no padding).
std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);
std::string base64url_encode(std::string_view bytes);
std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace bramble

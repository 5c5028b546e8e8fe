#include "core/json/go_error.h"

#include <cctype>

#include "core/base/limits.h"
#include "core/base/strings.h"
#include "core/json/position.h"

namespace bramble {

namespace {

// Follows the states of encoding/json's scanner, for the sake of its messages alone.
class GoScanner {
 public:
  GoScanner(std::string_view text, bool place) : text_(text), place_(place) {}

  std::string run() {
    space();
    if (!value("looking for beginning of value")) return error();
    space();
    if (at_ < text_.size()) {
      fail("after top-level value");
      return error();
    }
    return {};
  }

 private:
  bool end() {
    if (at_ < text_.size()) return false;
    if (message_.empty()) message_ = "unexpected end of JSON input";
    return true;
  }
  bool fail(std::string_view context) {
    if (end()) return false;
    message_ = cat("invalid character ", quoted(text_[at_]), " ", context);
    return false;
  }
  std::string quoted(char c) {
    if (c == '\'') return R"('\'')";
    if (c == '"') return "'\"'";
    if (static_cast<unsigned char>(c) >= 0x80) {
      // Go prints the byte as the rune of that number.
      unsigned u = static_cast<unsigned char>(c);
      std::string rune{static_cast<char>(0xc0 | u >> 6), static_cast<char>(0x80 | (u & 0x3f))};
      if (u < 0xa0 || u == 0xad) return cat("'\\u00", hex(std::string_view(&c, 1)), "'");
      return cat("'", rune, "'");
    }
    std::string q = go_quote(std::string_view(&c, 1));
    return cat("'", std::string_view(q).substr(1, q.size() - 2), "'");
  }
  std::string error() { return place_ ? message_ + position_note_at(text_, at_) : message_; }
  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r' || text_[at_] == '\n')) ++at_;
  }
  bool value(std::string_view context) {
    if (end()) return false;
    if (++depth_ > limits::kJsonDepthMax) {
      message_ = "exceeded max depth";
      return false;
    }
    bool good = value_inside(context);
    --depth_;
    return good;
  }
  bool value_inside(std::string_view context) {
    switch (text_[at_]) {
      case '{': return object();
      case '[': return array();
      case '"': return string();
      case 't': return literal("true");
      case 'f': return literal("false");
      case 'n': return literal("null");
      default: break;
    }
    if (text_[at_] == '-' || (text_[at_] >= '0' && text_[at_] <= '9')) return number();
    return fail(context);
  }
  bool object() {
    ++at_;
    space();
    if (end()) return false;
    if (text_[at_] == '}') return ++at_, true;
    for (;;) {
      space();
      if (end()) return false;
      if (text_[at_] != '"') return fail("looking for beginning of object key string");
      if (!string()) return false;
      space();
      if (end()) return false;
      if (text_[at_] != ':') return fail("after object key");
      ++at_;
      space();
      if (!value("looking for beginning of value")) return false;
      space();
      if (end()) return false;
      if (text_[at_] == '}') return ++at_, true;
      if (text_[at_] != ',') return fail("after object key:value pair");
      ++at_;
    }
  }
  bool array() {
    ++at_;
    space();
    if (end()) return false;
    if (text_[at_] == ']') return ++at_, true;
    for (;;) {
      space();
      if (!value("looking for beginning of value")) return false;
      space();
      if (end()) return false;
      if (text_[at_] == ']') return ++at_, true;
      if (text_[at_] != ',') return fail("after array element");
      ++at_;
    }
  }
  bool string() {
    ++at_;
    for (;; ++at_) {
      if (end()) return false;
      char c = text_[at_];
      if (c == '"') return ++at_, true;
      if (static_cast<unsigned char>(c) < 0x20) return fail("in string literal");
      if (c != '\\') continue;
      ++at_;
      if (end()) return false;
      if (text_[at_] == 'u') {
        for (int i = 0; i < 4; ++i) {
          ++at_;
          if (end()) return false;
          if (!std::isxdigit(static_cast<unsigned char>(text_[at_]))) return fail("in \\u hexadecimal character escape");
        }
      } else if (std::string_view("bfnrt\\/\"").find(text_[at_]) == std::string_view::npos) {
        return fail("in string escape code");
      }
    }
  }
  bool literal(std::string_view word) {
    for (size_t i = 1; i < word.size(); ++i) {
      ++at_;
      if (end()) return false;
      if (text_[at_] != word[i]) return fail(cat("in literal ", word, " (expecting ", quoted(word[i]), ")"));
    }
    return ++at_, true;
  }
  bool digits() {
    if (end()) return false;
    if (text_[at_] < '0' || text_[at_] > '9') return false;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return true;
  }
  bool number() {
    if (text_[at_] == '-') {
      ++at_;
      if (end()) return false;
      if (text_[at_] < '0' || text_[at_] > '9') return fail("in numeric literal");
    }
    if (text_[at_] == '0') {
      ++at_;
    } else {
      digits();
    }
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      if (!digits()) return fail("after decimal point in numeric literal");
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      if (!digits()) return fail("in exponent of numeric literal");
    }
    return true;
  }

  std::string_view text_;
  bool place_;
  size_t at_ = 0;
  size_t depth_ = 0;
  std::string message_;
};

}  // namespace

std::string go_json_error(std::string_view text) { return GoScanner(text, true).run(); }
std::string go_json_message(std::string_view text) { return GoScanner(text, false).run(); }

}  // namespace bramble

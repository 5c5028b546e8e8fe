// Field selectors: `a=b,c!=d`, with backslash escapes in values (k8s.io/apimachinery fields.ParseSelector).
#include "core/base/strings.h"
#include "core/resources/selector.h"

namespace bramble {
namespace {

std::vector<std::string_view> split_terms(std::string_view text) {
  std::vector<std::string_view> out;
  size_t start = 0;
  bool escaped = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (escaped)
      escaped = false;
    else if (text[i] == '\\')
      escaped = true;
    else if (text[i] == ',') {
      out.push_back(text.substr(start, i - start));
      start = i + 1;
    }
  }
  out.push_back(text.substr(start));
  return out;
}

Result<std::string> unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      const char next = i + 1 < text.size() ? text[i + 1] : 0;
      if (next != '\\' && next != '=' && next != ',')
        return Error(Code::kInvalidArgument,
                     cat("invalid field selector: invalid escape sequence: ", text.substr(i, next == 0 ? 1 : 2)));
      out += next;
      ++i;
    } else if (c == '=' || c == ',') {
      return Error(Code::kInvalidArgument, cat("invalid field selector: unescaped character in value: ", c));
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

Result<FieldSelector> FieldSelector::parse(std::string_view text) {
  FieldSelector out;
  for (std::string_view term : split_terms(text)) {
    if (term.empty()) continue;
    // The first operator decides; "!=" and "==" before "=" at one place.
    const size_t at = term.find('=');
    if (at == std::string_view::npos)
      return Error(Code::kInvalidArgument, cat("invalid selector: '", text, "'; can't understand '", term, "'"));
    Term t;
    size_t left = at, right = at + 1;
    if (at > 0 && term[at - 1] == '!') {
      t.equals = false;
      --left;
    } else if (right < term.size() && term[right] == '=') {
      ++right;
    }
    t.field = std::string(term.substr(0, left));
    TRY_ASSIGN(t.value, unescape(term.substr(right)));
    out.terms.push_back(std::move(t));
  }
  return out;
}

}  // namespace bramble

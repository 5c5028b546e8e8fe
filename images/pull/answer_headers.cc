#include "images/pull/answer_headers.h"

#include <time.h>

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/strings.h"

namespace bramble {
namespace {

bool token_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}
  void skip(std::string_view which) {
    while (!rest_.empty() && which.find(rest_[0]) != std::string_view::npos) rest_.remove_prefix(1);
  }
  bool take(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool empty() const { return rest_.empty(); }
  std::string_view token() {
    size_t n = 0;
    while (n < rest_.size() && token_character(rest_[n])) n++;
    std::string_view out = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return out;
  }
  std::string_view rest() const { return rest_; }
  void restore(std::string_view rest) { rest_ = rest; }
  // A token, what a token68 may have besides, or a quoted text.
  std::optional<std::string> value() {
    if (!take('"')) {
      size_t n = 0;
      while (n < rest_.size() && (token_character(rest_[n]) || rest_[n] == '/' || rest_[n] == ':' || rest_[n] == '=')) n++;
      std::string out(rest_.substr(0, n));
      rest_.remove_prefix(n);
      return out;
    }
    std::string out;
    while (!rest_.empty()) {
      char c = rest_[0];
      rest_.remove_prefix(1);
      if (c == '"') return out;
      if (c == '\\' && !rest_.empty()) {
        c = rest_[0];
        rest_.remove_prefix(1);
      }
      out.push_back(c);
    }
    return std::nullopt;
  }

 private:
  std::string_view rest_;
};

}  // namespace

std::vector<Challenge> parse_challenges(std::string_view header) {
  std::vector<Challenge> out;
  Reader in(header.substr(0, limits::kHeaderBytesMax));
  for (;;) {
    in.skip(" \t,");
    std::string_view word = in.token();
    if (word.empty()) return out;
    std::string_view behind = in.rest();
    in.skip(" \t");
    if (!out.empty() && in.take('=')) {
      in.skip(" \t");
      auto value = in.value();
      if (!value) return out;
      out.back().parameters.emplace(lower(word), std::move(*value));
      continue;
    }
    if (!behind.empty() && behind[0] != ' ' && behind[0] != '\t' && behind[0] != ',') return out;
    if (out.size() >= limits::kChallengesMax) return out;
    out.push_back({lower(word), {}});
  }
}

std::optional<ContentRange> parse_content_range(std::string_view header) {
  header = trim(header);
  if (header.size() < 6 || !equals_ignore_case(header.substr(0, 6), "bytes ")) return std::nullopt;
  auto parts = cut(trim(header.substr(6)), "/");
  if (!parts) return std::nullopt;
  auto ends = cut(parts->first, "-");
  if (!ends) return std::nullopt;
  auto first = parse_int64(ends->first), last = parse_int64(ends->second);
  ContentRange out;
  if (!first || !last || *first < 0 || *last < *first) return std::nullopt;
  out.first = *first;
  out.last = *last;
  if (parts->second != "*") {
    auto total = parse_int64(parts->second);
    if (!total || *total <= *last) return std::nullopt;
    out.total = *total;
  }
  return out;
}

std::optional<int64_t> parse_retry_after(std::string_view header, int64_t now_unix_s) {
  header = trim(header);
  if (auto seconds = parse_uint64(header)) return static_cast<int64_t>(std::min<uint64_t>(*seconds, 1000 * 1000)) * 1000;
  tm parts{};
  std::string text(header.substr(0, 64));
  const char* end = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (!end || *end) return std::nullopt;
  return std::clamp<int64_t>(static_cast<int64_t>(timegm(&parts)) - now_unix_s, 0, 1000 * 1000) * 1000;
}

}  // namespace bramble

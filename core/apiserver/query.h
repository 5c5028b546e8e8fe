// Query: the parameters of a request's URL, percent-decoded (WHATWG form encoding: '+' is a space). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bramble {

// Nothing when a '%' is not followed by two hexadecimal digits.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

class Query {
 public:
  Query() = default;
  static Query parse(std::string_view raw);  // pieces that cannot be decoded are left out, as upstream does
  bool has(std::string_view name) const;
  std::string_view get(std::string_view name) const;  // the first, or ""
  std::vector<std::string> all(std::string_view name) const;
  // Upstream's form decoding of a boolean: absent, "0", "false" are false; everything else, "" too, is true.
  bool flag(std::string_view name) const;
  void set(std::string_view name, std::string_view value);
  const std::vector<std::pair<std::string, std::string>>& pairs() const { return pairs_; }

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;
};

}  // namespace bramble

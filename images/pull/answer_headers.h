// Headers of a registry's answers that steer a pull: how to prove who we are, which part of a blob comes, when to ask again
// (RFC 9110 sections 11.6.1, 14.4, 10.2.3). Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bramble {

struct Challenge {
  std::string scheme;                             // lower case: "basic", "bearer"
  std::map<std::string, std::string> parameters;  // names in lower case
};

// All challenges of one WWW-Authenticate header; what cannot be read ends the list.
std::vector<Challenge> parse_challenges(std::string_view header);

struct ContentRange {
  int64_t first = 0, last = 0;
  int64_t total = -1;  // -1: not told
};
// "bytes 0-99/200", "bytes 0-99/*"; nothing for another unit, for what is turned round or beyond its total.
std::optional<ContentRange> parse_content_range(std::string_view header);

// Milliseconds to wait: seconds, or an HTTP date (IMF-fixdate) as seen from now. Never negative.
std::optional<int64_t> parse_retry_after(std::string_view header, int64_t now_unix_s);

}  // namespace bramble

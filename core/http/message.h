// What both versions of HTTP share about messages: reasons, dates, names. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/http/server.h"

namespace bramble {

std::string_view reason_phrase(int status);  // RFC 9110 section 15; "" for unknown
std::string http_date();                     // now, IMF-fixdate; cached for a second by each thread
bool valid_header_name(std::string_view name);
// Without what could break out of a header line (CR, LF, NUL become spaces).
std::string safe_header_value(std::string_view value);
// Whether a comma-separated header value holds the token, in any case ("Connection: keep-alive, Upgrade").
bool has_token(std::string_view value, std::string_view token);
bool may_have_body(int status);
// An answer of this room's own to a request that never reaches the handler. Its body is text, but of a 413 when there is JSON
// for that; a 429 is worded as upstream's.
struct Refusal {
  std::vector<Header> headers;
  std::string body;
};
Refusal refusal_of(int status, const std::string& too_large_json);
std::string_view find_header(const std::vector<Header>& headers, std::string_view lower_name);
// Splits a request target into path and query; absolute form ("http://host/path") loses its host. False: unusable.
bool split_target(std::string_view target, std::string* path, std::string* query);

}  // namespace bramble

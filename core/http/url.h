// Url: what others are asked by and redirect to (RFC 3986, http and https alone). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace bramble {

struct Url {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case, an IPv6 address without brackets
  uint16_t port = 0;   // 0: as none was written
  std::string path;    // "" or begins with '/'
  std::string query;   // without '?'

  uint16_t port_or_default() const { return port ? port : scheme == "http" ? 80 : 443; }
  std::string authority() const;  // "host:port" as written
  std::string target() const;     // path and query, at least "/"
  std::string text() const;
  bool same_origin(const Url& other) const { return scheme == other.scheme && host == other.host && port_or_default() == other.port_or_default(); }
};

// An absolute URL; user information in it is refused. kInvalidArgument.
Result<Url> parse_url(std::string_view text);
// A Location header: absolute, "//host/path", "/path" or a relative path.
Result<Url> resolve_url(const Url& base, std::string_view location);
// For a query's value: all but unreserved characters as %XX.
std::string url_encode(std::string_view text);

}  // namespace bramble

#include "core/http/url.h"

#include "core/base/limits.h"
#include "core/base/strings.h"

namespace bramble {
namespace {

Error bad(std::string_view text, std::string_view why) { return Error(Code::kInvalidArgument, cat("url ", go_quote(text.substr(0, 200)), ": ", why)); }

bool plain(std::string_view s) {
  for (char c : s)
    if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f || c == '"' || c == '<' || c == '>' || c == '\\') return false;
  return true;
}

bool host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

}  // namespace

std::string Url::authority() const {
  std::string out = host.find(':') == std::string::npos ? host : cat("[", host, "]");
  if (port) out += cat(":", port);
  return out;
}

std::string Url::target() const {
  std::string out = path.empty() ? "/" : path;
  if (!query.empty()) out += "?" + query;
  return out;
}

std::string Url::text() const { return cat(scheme, "://", authority(), path, query.empty() ? "" : "?", query); }

Result<Url> parse_url(std::string_view text) {
  if (text.size() > limits::kUrlBytesMax) return bad(text, "is too long");
  if (!plain(text)) return bad(text, "has a character that no URL has");
  auto parts = cut(text, "://");
  if (!parts) return bad(text, "must begin with http:// or https://");
  Url out;
  out.scheme = lower(parts->first);
  if (out.scheme != "http" && out.scheme != "https") return bad(text, "must begin with http:// or https://");
  std::string_view rest = parts->second.substr(0, parts->second.find('#'));
  size_t end = rest.find_first_of("/?");
  std::string_view authority = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end);
  if (authority.find('@') != std::string_view::npos) return bad(text, "must not hold a user name");
  std::string_view port;
  if (authority.starts_with("[")) {
    size_t close = authority.find(']');
    if (close == std::string_view::npos) return bad(text, "has an address without its closing bracket");
    out.host = lower(authority.substr(1, close - 1));
    for (char c : out.host)
      if (!host_character(c) && c != ':') return bad(text, "has no valid host");
    if (out.host.find(':') == std::string::npos) return bad(text, "has no valid host");
    authority = authority.substr(close + 1);
    if (!authority.empty() && authority[0] != ':') return bad(text, "has no valid host");
    if (!authority.empty()) port = authority.substr(1);
  } else {
    size_t colon = authority.find(':');
    out.host = lower(authority.substr(0, colon));
    if (colon != std::string_view::npos) port = authority.substr(colon + 1);
    for (char c : out.host)
      if (!host_character(c)) return bad(text, "has no valid host");
  }
  if (out.host.empty() || out.host.size() > 255) return bad(text, "has no valid host");
  if (!port.empty()) {
    auto number = parse_uint64(port);
    if (!number || *number == 0 || *number > 65535) return bad(text, "has no valid port");
    out.port = static_cast<uint16_t>(*number);
  }
  auto query = cut(rest, "?");
  out.path = std::string(query ? query->first : rest);
  if (query) out.query = std::string(query->second);
  return out;
}

Result<Url> resolve_url(const Url& base, std::string_view location) {
  location = trim(location);
  if (location.size() > limits::kUrlBytesMax) return bad(location, "is too long");
  if (location.empty() || !plain(location)) return bad(location, "is no place to go to");
  if (location.starts_with("//")) return parse_url(cat(base.scheme, ":", location));
  if (location.find(':') < location.find_first_of("/?#")) return parse_url(location);  // with a scheme
  location = location.substr(0, location.find('#'));
  Url out = base;
  auto query = cut(location, "?");
  std::string_view path = query ? query->first : location;
  out.query = query ? std::string(query->second) : std::string();
  if (path.starts_with("/")) out.path = std::string(path);
  else if (!path.empty()) out.path = cat(std::string_view(base.path).substr(0, base.path.rfind('/') + 1), path);
  if (!out.path.starts_with("/")) out.path.insert(0, "/");
  return out;
}

std::string url_encode(std::string_view text) {
  std::string out;
  for (char c : text) {
    bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (unreserved) out.push_back(c);
    else out += "%" + hex(std::string_view(&c, 1));
  }
  return out;
}

}  // namespace bramble

#include "images/pull/proxy_settings.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include <cstring>

#include "core/base/strings.h"

namespace bramble {
namespace {

std::string variable(const char* upper, const char* small) {
  for (const char* name : {upper, small})
    if (const char* value = getenv(name); value && *value) return value;
  return {};
}

// 4 or 16 bytes, "" for a name.
std::string address_bytes(const std::string& text) {
  unsigned char bytes[16];
  if (inet_pton(AF_INET, text.c_str(), bytes) == 1) return std::string(reinterpret_cast<char*>(bytes), 4);
  if (inet_pton(AF_INET6, text.c_str(), bytes) == 1) return std::string(reinterpret_cast<char*>(bytes), 16);
  return {};
}

bool in_range(const std::string& address, std::string_view range) {
  auto parts = cut(range, "/");
  std::string network = address_bytes(std::string(parts ? parts->first : range));
  auto bits = parts ? parse_uint64(parts->second) : std::optional<uint64_t>(network.size() * 8);
  if (network.empty() || network.size() != address.size() || !bits || *bits > network.size() * 8) return false;
  for (size_t i = 0; i < *bits; i++)
    if (((address[i / 8] ^ network[i / 8]) >> (7 - i % 8)) & 1) return false;
  return true;
}

bool is_this_host(const std::string& host, const std::string& address) {
  if (host == "localhost") return true;
  return (address.size() == 4 && address[0] == 127) || (address.size() == 16 && address == std::string(15, '\0') + '\1');
}

}  // namespace

ProxySettings ProxySettings::of_environment() {
  return {variable("HTTP_PROXY", "http_proxy"), variable("HTTPS_PROXY", "https_proxy"), variable("NO_PROXY", "no_proxy")};
}

Result<std::optional<ProxyServer>> ProxySettings::server_for(const Url& url) const {
  std::optional<ProxyServer> none;
  const std::string& text = url.scheme == "https" ? https : http;
  std::string address = address_bytes(url.host);
  if (text.empty() || is_this_host(url.host, address)) return none;
  for (std::string_view entry : split(no_proxy, ',')) {
    std::string rule = lower(trim(entry));
    if (rule.empty()) continue;
    if (rule == "*") return none;
    if (!address.empty() && in_range(address, rule)) return none;
    size_t colon = rule.rfind(':');
    if (colon != std::string::npos && rule.find(':') == colon) {  // not an IPv6 address
      if (rule.substr(colon + 1) != cat(url.port_or_default())) continue;
      rule.resize(colon);
    }
    if (rule == url.host) return none;
    if (rule.starts_with("*.")) rule.erase(0, 1);
    bool below = url.host.ends_with(rule.starts_with(".") ? rule : "." + rule);
    if (below && address.empty()) return none;
  }
  std::string plain = text.find("://") == std::string::npos ? "http://" + text : text;
  ProxyServer out;
  size_t host = plain.find("://") + 3, at = plain.find('@', host), slash = plain.find('/', host);
  if (at != std::string::npos && (slash == std::string::npos || at < slash)) {
    out.authorization = cat("Basic ", base64_encode(std::string_view(plain).substr(host, at - host)));
    plain.erase(host, at + 1 - host);
  }
  auto parsed = parse_url(plain);
  if (!parsed.ok() || parsed->scheme != "http")
    return Error(Code::kInvalidArgument, cat(url.scheme == "https" ? "HTTPS_PROXY" : "HTTP_PROXY", ": must be like http://proxy.example.com:3128"));
  out.host = parsed->host;
  out.port = parsed->port_or_default();
  return std::optional<ProxyServer>(std::move(out));
}

}  // namespace bramble

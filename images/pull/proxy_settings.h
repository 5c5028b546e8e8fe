// ProxySettings: the HTTP proxy of a registry, by HTTP_PROXY, HTTPS_PROXY and NO_PROXY (or in lower case), as Go's programs read
// them (golang.org/x/net/http/httpproxy). A value.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "images/pull/registries.h"

namespace bramble {

struct ProxyServer {
  std::string host;
  uint16_t port = 0;
  std::string authorization;  // "Basic ...", or empty
};

struct ProxySettings {
  std::string http, https, no_proxy;  // "http://user:password@proxy:3128", "proxy:3128"; names, domains, addresses and ranges

  static ProxySettings of_environment();
  // Nothing: asked directly. This host never is by a proxy. kInvalidArgument for a proxy that is no http URL.
  Result<std::optional<ProxyServer>> server_for(const Url& url) const;
};

}  // namespace bramble

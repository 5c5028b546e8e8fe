// Links in what a relayed server answers: those to the server itself are made to lead through the proxy subresource again
// (k8s.io/apimachinery/pkg/util/proxy/transport.go). Pure.
#pragma once

#include <string>
#include <string_view>

namespace bramble {

struct RelayPlace {
  std::string prefix;        // the path of the API before what the server sees: ".../pods/web/proxy"
  std::string server;        // host and port as dialled
  std::string request_host;  // the client's Host header
};

// A URL of the page or of a Location header. What leads elsewhere, or is relative, stays as it is.
std::string relayed_url(const RelayPlace& place, std::string_view url);
// A whole HTML page: the attributes that hold URLs.
std::string relayed_page(const RelayPlace& place, std::string_view html);

}  // namespace bramble

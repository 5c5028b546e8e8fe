// Name and label grammars with upstream's texts (k8s.io/apimachinery validation). Each gives the messages of what is
// wrong, empty when fine. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bramble {

std::vector<std::string> check_dns1123_label(std::string_view s);
std::vector<std::string> check_dns1123_subdomain(std::string_view s);
std::vector<std::string> check_dns1035_label(std::string_view s);
std::vector<std::string> check_qualified_name(std::string_view s);  // label and annotation keys
std::vector<std::string> check_label_value(std::string_view s);
std::vector<std::string> check_port_number(int64_t port);  // "must be between 1 and 65535, inclusive"
std::vector<std::string> check_port_name(std::string_view s);
std::vector<std::string> check_env_var_name(std::string_view s);
std::vector<std::string> check_config_key(std::string_view s);  // ConfigMap and Secret keys
std::vector<std::string> check_path_segment(std::string_view s);
std::vector<std::string> check_ip(std::string_view s);
std::vector<std::string> check_cidr(std::string_view s);
std::vector<std::string> check_wildcard_subdomain(std::string_view s);    // "*.example.com"
std::vector<std::string> check_fully_qualified_name(std::string_view s);  // "acme.io/foo": a path with a domain
std::vector<std::string> check_percent(std::string_view s);               // "25%"
std::vector<std::string> check_http_header_name(std::string_view s);
std::vector<std::string> check_relaxed_env_var_name(std::string_view s);  // printable ASCII but '='

bool is_ipv4(std::string_view s);
bool is_ipv6(std::string_view s);

}  // namespace bramble

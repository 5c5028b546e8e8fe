#include "core/resources/names.h"

#include <initializer_list>

#include "core/base/strings.h"
#include "core/resources/ip_range.h"

namespace bramble {
namespace {

using Messages = std::vector<std::string>;

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower_alnum(char c) { return is_lower(c) || is_digit(c); }
bool is_alnum(char c) { return is_lower_alnum(c) || is_upper(c); }

std::string too_long(size_t max) { return cat("must be no more than ", max, " characters"); }
constexpr std::string_view kEmpty = "must be non-empty";

// "msg (e.g. 'a',  or 'b', regex used for validation is 'r')"
std::string shape(std::string_view message, std::string_view regex, std::initializer_list<std::string_view> examples) {
  std::string out(message);
  if (examples.size() == 0) return cat(out, " (regex used for validation is '", regex, "')");
  out += " (e.g. ";
  bool first = true;
  for (std::string_view e : examples) {
    if (!first) out += " or ";
    out += cat("'", e, "', ");
    first = false;
  }
  return cat(out, "regex used for validation is '", regex, "')");
}

constexpr std::string_view kLabelRegex = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
constexpr std::string_view kSubdomainRegex = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
constexpr std::string_view kQualifiedRegex = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

bool label_shape(std::string_view s) {
  if (s.empty() || !is_lower_alnum(s.front()) || !is_lower_alnum(s.back())) return false;
  for (char c : s)
    if (!is_lower_alnum(c) && c != '-') return false;
  return true;
}
bool subdomain_shape(std::string_view s) {
  for (std::string_view part : split(s, '.'))
    if (!label_shape(part)) return false;
  return true;
}
bool qualified_shape(std::string_view s) {
  if (s.empty() || !is_alnum(s.front()) || !is_alnum(s.back())) return false;
  for (char c : s)
    if (!is_alnum(c) && c != '-' && c != '_' && c != '.') return false;
  return true;
}
void add_prefixed(Messages& out, std::string_view prefix, const Messages& more) {
  for (const std::string& m : more) out.push_back(cat(prefix, m));
}

}  // namespace

Messages check_dns1123_label(std::string_view s) {
  Messages out;
  if (s.size() > 63) out.push_back(too_long(63));
  if (!label_shape(s)) {
    if (subdomain_shape(s))
      out.push_back("must not contain dots");
    else
      out.push_back(
          shape("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
                "and end "
                "with an alphanumeric character",
                kLabelRegex, {"my-name", "123-abc"}));
  }
  return out;
}

Messages check_dns1123_subdomain(std::string_view s) {
  Messages out;
  if (s.size() > 253) out.push_back(too_long(253));
  if (!subdomain_shape(s))
    out.push_back(shape(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
        "and end with an alphanumeric character",
        kSubdomainRegex, {"example.com"}));
  return out;
}

Messages check_dns1035_label(std::string_view s) {
  Messages out;
  if (s.size() > 63) out.push_back(too_long(63));
  if (!label_shape(s) || !is_lower(s.front()))
    out.push_back(
        shape("a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
              "character, "
              "and end with an alphanumeric character",
              "[a-z]([-a-z0-9]*[a-z0-9])?", {"my-name", "abc-123"}));
  return out;
}

Messages check_wildcard_subdomain(std::string_view s) {
  Messages out;
  if (s.size() > 253) out.push_back(too_long(253));
  if (s.substr(0, 2) != "*." || !subdomain_shape(s.substr(2)))
    out.push_back(shape(
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
        "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
        cat("\\*\\.", kSubdomainRegex), {"*.example.com"}));
  return out;
}

Messages check_qualified_name(std::string_view s) {
  Messages out;
  constexpr std::string_view kMessage =
      "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
  const auto parts = split(s, '/');
  std::string_view name = parts[0];
  if (parts.size() == 2) {
    name = parts[1];
    if (parts[0].empty())
      out.push_back(cat("prefix part ", kEmpty));
    else
      add_prefixed(out, "prefix part ", check_dns1123_subdomain(parts[0]));
  } else if (parts.size() > 2) {
    out.push_back(cat("a valid label key ", shape(kMessage, kQualifiedRegex, {"MyName", "my.name", "123-abc"}),
                      " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"));
    return out;
  }
  if (name.empty())
    out.push_back(cat("name part ", kEmpty));
  else if (name.size() > 63)
    out.push_back(cat("name part ", too_long(63)));
  if (!qualified_shape(name))
    out.push_back(cat("name part ", shape(kMessage, kQualifiedRegex, {"MyName", "my.name", "123-abc"})));
  return out;
}

Messages check_label_value(std::string_view s) {
  Messages out;
  if (s.size() > 63) out.push_back(too_long(63));
  if (!s.empty() && !qualified_shape(s))
    out.push_back(
        shape("a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
              "start and "
              "end with an alphanumeric character",
              "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", {"MyValue", "my_value", "12345"}));
  return out;
}

Messages check_port_number(int64_t port) {
  if (port >= 1 && port <= 65535) return {};
  return {"must be between 1 and 65535, inclusive"};
}

Messages check_port_name(std::string_view s) {
  Messages out;
  if (s.size() > 15) out.push_back(too_long(15));
  bool charset = !s.empty(), letter = false;
  for (char c : s) {
    charset = charset && (is_lower_alnum(c) || c == '-');
    letter = letter || is_lower(c);
  }
  if (!charset) out.push_back("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  if (!letter) out.push_back("must contain at least one letter (a-z)");
  if (s.find("--") != std::string_view::npos) out.push_back("must not contain consecutive hyphens");
  if (!s.empty() && (s.front() == '-' || s.back() == '-')) out.push_back("must not begin or end with a hyphen");
  return out;
}

namespace {
void check_dots(std::string_view s, Messages& out) {
  if (s == ".")
    out.push_back("must not be '.'");
  else if (s == "..")
    out.push_back("must not be '..'");
  else if (s.substr(0, 2) == "..")
    out.push_back("must not start with '..'");
}
}  // namespace

Messages check_env_var_name(std::string_view s) {
  Messages out;
  bool fits = !s.empty() && !is_digit(s.front());
  for (char c : s) fits = fits && (is_alnum(c) || c == '-' || c == '_' || c == '.');
  if (!fits)
    out.push_back(
        shape("a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and "
              "must not "
              "start with a digit",
              "[-._a-zA-Z][-._a-zA-Z0-9]*", {"my.env-name", "MY_ENV.NAME", "MyEnvName1"}));
  check_dots(s, out);
  return out;
}

Messages check_relaxed_env_var_name(std::string_view s) {
  if (s.empty()) return {"environment variable name must be non-empty"};
  for (char c : s)
    if (c < 0x20 || c > 0x7e || c == '=')
      return {"a valid environment variable name must consist only of printable ASCII characters other than '='"};
  return {};
}

Messages check_config_key(std::string_view s) {
  Messages out;
  if (s.size() > 253) out.push_back(too_long(253));
  bool fits = !s.empty();
  for (char c : s) fits = fits && (is_alnum(c) || c == '-' || c == '_' || c == '.');
  if (!fits)
    out.push_back(shape("a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
                        "[-._a-zA-Z0-9]+", {"key.name", "KEY_NAME", "key-name"}));
  check_dots(s, out);
  return out;
}

Messages check_path_segment(std::string_view s) {
  if (s == "." || s == "..") return {cat("may not be '", s, "'")};
  Messages out;
  for (std::string_view bad : {"/", "%"})
    if (s.find(bad) != std::string_view::npos) out.push_back(cat("may not contain '", bad, "'"));
  return out;
}

Messages check_fully_qualified_name(std::string_view s) {
  const auto parts = cut(s, "/");
  if (!parts || parts->first.empty() || parts->second.empty())
    return {"must be a domain-prefixed path (such as \"acme.io/foo\")"};
  Messages out;
  add_prefixed(out, "", check_dns1123_subdomain(parts->first));
  for (char c : parts->second)
    if (!is_alnum(c) && std::string_view("/-._~%!$&'()*+,;=:").find(c) == std::string_view::npos) {
      out.push_back(shape("Invalid path", "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+", {}));
      break;
    }
  return out;
}

Messages check_percent(std::string_view s) {
  bool fits = s.size() > 1 && s.back() == '%';
  for (size_t i = 0; fits && i + 1 < s.size(); ++i) fits = is_digit(s[i]);
  if (fits) return {};
  return {shape("a valid percent string must be a numeric string followed by an ending '%'", "[0-9]+%", {"1%", "93%"})};
}

Messages check_http_header_name(std::string_view s) {
  bool fits = !s.empty();
  for (char c : s) fits = fits && (is_alnum(c) || c == '-');
  if (fits) return {};
  return {
      shape("a valid HTTP header must consist of alphanumeric characters or '-'", "[-A-Za-z0-9]+", {"X-Header-Name"})};
}

Messages check_ip(std::string_view s) {
  const auto ip = parse_ip_sloppily(s);
  if (!ip) return {"must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"};
  if (!parse_ip(s)) return {"must not have leading 0s"};
  if (!ip->v6 && s.find(':') != std::string_view::npos) return {"must not be an IPv4-mapped IPv6 address"};
  return {};
}

Messages check_cidr(std::string_view s) {
  const auto range = parse_cidr_sloppily(s);
  if (!range) return {"must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"};
  const auto parts = cut(s, "/");
  if (!range->base.v6 && s.find(':') != std::string_view::npos) return {"must not have an IPv4-mapped IPv6 address"};
  if (!parse_ip(parts->first) || (parts->second.size() > 1 && parts->second[0] == '0'))
    return {"must not have leading 0s in IP or prefix length"};
  if (!range->has_no_host_bits()) return {"must not have bits set beyond the prefix length"};
  return {};
}

bool is_ipv4(std::string_view s) {
  const auto ip = parse_ip(s);
  return ip && !ip->v6;
}
bool is_ipv6(std::string_view s) {
  const auto ip = parse_ip(s);
  return ip && ip->v6;
}

}  // namespace bramble

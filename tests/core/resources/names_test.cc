#include "core/resources/names.h"

#include <gtest/gtest.h>

#include "core/base/strings.h"
#include "core/resources/ip_range.h"

namespace bramble {
namespace {

TEST(Names, tell_what_is_wrong_as_upstream_does) {
  const struct {
    const char* name;
    std::vector<std::string> got;
    std::vector<std::string> want;
  } cases[] = {
      {"label", check_dns1123_label("web-1"), {}},
      {"label with dots", check_dns1123_label("a.b"), {"must not contain dots"}},
      {"label that is too long", check_dns1123_label(std::string(64, 'a')), {"must be no more than 63 characters"}},
      {"label in capitals",
       check_dns1123_label("Web"),
       {"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
        "with an "
        "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"}},
      {"service label",
       check_dns1035_label("1a"),
       {"a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
        "character, and end "
        "with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
        "'[a-z]([-a-z0-9]*[a-z0-9])?')"}},
      {"qualified", check_qualified_name("example.com/Name_1"), {}},
      {"empty prefix", check_qualified_name("/a"), {"prefix part must be non-empty"}},
      {"label value may be empty", check_label_value(""), {}},
      {"port number", check_port_number(70000), {"must be between 1 and 65535, inclusive"}},
      {"port name without letter", check_port_name("80"), {"must contain at least one letter (a-z)"}},
      {"port name with two hyphens", check_port_name("a--b"), {"must not contain consecutive hyphens"}},
      {"port name with a hyphen first", check_port_name("-a"), {"must not begin or end with a hyphen"}},
      {"environment name", check_relaxed_env_var_name("my var"), {}},
      {"key of dots", check_config_key(".."), {"must not be '..'"}},
      {"path segment", check_path_segment("a/b"), {"may not contain '/'"}},
      {"dots as path segment", check_path_segment(".."), {"may not be '..'"}},
      {"percent", check_percent("50%"), {}},
      {"address", check_ip("256.1.1.1"), {"must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"}},
      {"address with a zero before",
       check_ip("010.1.1.1"),
       {"must not have leading 0s"}},
      {"IPv4 within IPv6 with a zero before", check_ip("::1:01.2.3.4"), {"must not have leading 0s"}},
      {"IPv4 mapped into IPv6", check_ip("::ffff:1.2.3.4"), {"must not be an IPv4-mapped IPv6 address"}},
      {"IPv6 with zeroes before", check_ip("0db8::0001"), {}},
      {"range", check_cidr("10.1.0.0/16"), {}},
      {"range of one", check_cidr("10.1.2.3/32"), {}},
      {"range without bits", check_cidr("10.1.0.0"), {"must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"}},
      {"range of too many bits", check_cidr("10.1.0.0/33"), {"must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"}},
      {"range with a zero before", check_cidr("10.01.0.0/16"), {"must not have leading 0s in IP or prefix length"}},
      {"length with a zero before", check_cidr("10.1.0.0/016"), {"must not have leading 0s in IP or prefix length"}},
      {"range with bits of a host", check_cidr("10.1.2.3/16"), {"must not have bits set beyond the prefix length"}},
      {"IPv6 range with bits of a host", check_cidr("2001:db8::1/64"), {"must not have bits set beyond the prefix length"}},
      {"mapped range", check_cidr("::ffff:10.1.0.0/112"), {"must not have an IPv4-mapped IPv6 address"}},
  };
  for (const auto& c : cases) EXPECT_EQ(c.got, c.want) << c.name;
}

TEST(IpRange, reads_all_forms_of_rfc_4291) {
  const struct {
    const char* text;
    bool fits;
  } cases[] = {{"::", true},
               {"::1", true},
               {"1::", true},
               {"2001:db8::ffff", true},
               {"1:2:3:4:5:6:7:8", true},
               {"::ffff:1.2.3.4", true},
               {"1:2:3:4:5:6:7", false},
               {"1::2::3", false},
               {"12345::", false},
               {":1", false},
               {"1:2:3:4:5:6:7:8:9", false},
               {"", false},
               {"1.2.3", false}};
  for (const auto& c : cases) EXPECT_EQ(parse_ip(c.text).has_value(), c.fits) << c.text;
}

TEST(IpRange, contains_by_prefix) {
  const auto range = parse_cidr("10.1.0.0/17");
  ASSERT_TRUE(range);
  EXPECT_TRUE(range->contains(*parse_ip("10.1.127.255")));
  EXPECT_FALSE(range->contains(*parse_ip("10.1.128.0")));
  EXPECT_FALSE(range->strictly_contains(*range));
  EXPECT_TRUE(range->strictly_contains(*parse_cidr("10.1.2.0/24")));
  EXPECT_FALSE(parse_cidr("10.1.0.0/33"));
  EXPECT_FALSE(parse_cidr("10.1.0.0"));
}

}  // namespace
}  // namespace bramble

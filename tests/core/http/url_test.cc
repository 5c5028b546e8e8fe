#include "core/http/url.h"

#include <gtest/gtest.h>

namespace bramble {
namespace {

TEST(Url, is_read_and_resolved) {
  struct Row {
    std::string location, want;  // "": refused
  } rows[] = {
      {"https://cdn.example/x?a=b", "https://cdn.example/x?a=b"},
      {"//other:81/y", "https://other:81/y"},
      {"/z?q", "https://registry.local:5000/z?q"},
      {"w", "https://registry.local:5000/v2/web/blobs/w"},
      {"http://[::1]:5000/a", "http://[::1]:5000/a"},
      {"https://u:p@host/a", ""},
      {"ftp://host/a", ""},
      {"https://host:99999/a", ""},
      {"https://ho st/a", ""},
      {"https://h\r\nx: y/a", ""},
      {"", ""},
      {"https:///a", ""},
      {std::string("https://h/") + std::string(10000, 'a'), ""},
  };
  auto base = parse_url("https://registry.local:5000/v2/web/blobs/sha256:x");
  ASSERT_TRUE(base.ok());
  for (const auto& row : rows) {
    auto url = resolve_url(*base, row.location);
    EXPECT_EQ(url.ok() ? url->text() : "", row.want) << row.location;
  }
}

TEST(Url, is_resolved_from_where_it_was_found) {
  struct Row {
    const char *from, *location, *expected;  // "": refused
  };
  const Row rows[] = {
      {"http://10.0.0.1:80/a/b?c", "/d?e", "http://10.0.0.1:80/d?e"},
      {"http://10.0.0.1:80/a/b?c", "d", "http://10.0.0.1:80/a/d"},
      {"http://10.0.0.1:80/a/b?c", "?x", "http://10.0.0.1:80/a/b?x"},
      {"https://[fd00::1]:444/a", "/d", "https://[fd00::1]:444/d"},
      {"https://10.0.0.1:444/a", "//other/d", "https://other/d"},
      {"http://10.0.0.1:80/", "https://10.0.0.1/x", "https://10.0.0.1/x"},
      {"http://10.0.0.1:80/", "ftp://10.0.0.1/x", ""},
      {"http://10.0.0.1:80/", "javascript:alert(1)", ""},
  };
  for (const auto& row : rows) {
    auto url = resolve_url(*parse_url(row.from), row.location);
    EXPECT_EQ(url.ok() ? url->text() : "", row.expected) << row.location;
  }
}

TEST(Url, is_taken_apart) {
  struct Row {
    const char* url;
    const char* host;  // "": refused
    int port;
    const char* target;
  };
  const Row rows[] = {
      {"http://a", "a", 80, "/"},          {"https://a/b?c#d", "a", 443, "/b?c"},  {"http://[::1]:82/", "::1", 82, "/"}, {"http://a?x", "a", 80, "/?x"},
      {"http://:80/", "", 0, ""},          {"http://a:0/", "", 0, ""},             {"http://a:70000/", "", 0, ""},       {"http://[::1/", "", 0, ""},
      {"http://[::1]x/", "", 0, ""},       {"gopher://a/", "", 0, ""},             {"", "", 0, ""},                      {"http://u:p@a:81/b", "", 0, ""},
  };
  for (const auto& row : rows) {
    auto url = parse_url(row.url);
    EXPECT_EQ(url.ok(), *row.host != 0) << row.url;
    if (!url.ok() || !*row.host) continue;
    EXPECT_EQ(url->host, row.host) << row.url;
    EXPECT_EQ(url->port_or_default(), row.port) << row.url;
    EXPECT_EQ(url->target(), row.target) << row.url;
  }
}

}  // namespace
}  // namespace bramble

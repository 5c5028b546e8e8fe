// What a pull reads of the outside, as tables: URLs, headers, manifests, registries.yaml.
#include <gtest/gtest.h>

#include "images/pull/answer_headers.h"
#include "images/pull/manifest.h"
#include "images/pull/reference.h"
#include "images/pull/proxy_settings.h"
#include "images/pull/registries.h"

namespace bramble {
namespace {

TEST(PullWords, names_are_taken_apart) {
  struct Row {
    std::string name, host, repository, tag, digest;
  } rows[] = {
      {"nginx", "docker.io", "library/nginx", "latest", ""},
      {"team/web:2", "docker.io", "team/web", "2", ""},
      {"localhost:5000/web", "localhost:5000", "web", "latest", ""},
      {"r.local/a/b:1@sha256:" + std::string(64, 'a'), "r.local", "a/b", "1", "sha256:" + std::string(64, 'a')},
  };
  for (const auto& row : rows) {
    auto r = parse_reference(row.name);
    ASSERT_TRUE(r.ok()) << row.name;
    EXPECT_EQ(r->host, row.host) << row.name;
    EXPECT_EQ(r->repository, row.repository) << row.name;
    EXPECT_EQ(r->tag, row.tag) << row.name;
    EXPECT_EQ(r->digest, row.digest) << row.name;
  }
}

TEST(PullWords, challenges_are_read_as_registries_write_them) {
  auto one = parse_challenges("Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:a/b:pull,push\"");
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].scheme, "bearer");
  EXPECT_EQ(one[0].parameters["realm"], "https://auth.docker.io/token");
  EXPECT_EQ(one[0].parameters["scope"], "repository:a/b:pull,push");
  auto two = parse_challenges("Basic realm=\"a \\\"b\\\", c\" , Bearer Realm=x, service = y");
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[0].parameters["realm"], "a \"b\", c");
  EXPECT_EQ(two[1].parameters["realm"], "x");
  EXPECT_EQ(two[1].parameters["service"], "y");
  EXPECT_TRUE(parse_challenges("").empty());
  EXPECT_EQ(parse_challenges("Basic").size(), 1u);
  EXPECT_EQ(parse_challenges("Bearer realm=\"never closed").size(), 1u);
  std::string many;
  for (int i = 0; i < 1000; i++) many += "Basic, ";
  EXPECT_LE(parse_challenges(many).size(), 16u);
}

TEST(PullWords, content_ranges_and_times_to_wait) {
  auto r = parse_content_range("bytes 10-19/20");
  ASSERT_TRUE(r.has_value());
  EXPECT_EQ(r->first, 10);
  EXPECT_EQ(r->total, 20);
  EXPECT_EQ(parse_content_range("bytes 0-9/*")->total, -1);
  for (const char* bad : {"", "bytes", "bytes 5-4/10", "bytes 0-9/9", "items 0-1/2", "bytes -1-2/3", "bytes 0-1", "bytes a-b/c", "bytes */10"})
    EXPECT_FALSE(parse_content_range(bad).has_value()) << bad;
  EXPECT_EQ(parse_retry_after("3", 0), 3000);
  EXPECT_EQ(parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 30), 30000);
  EXPECT_EQ(parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 90), 0);
  EXPECT_EQ(parse_retry_after("soon", 0), std::nullopt);
}

std::string digest_of(char c) { return "sha256:" + std::string(64, c); }

TEST(PullWords, an_index_gives_the_manifest_that_runs_here) {
  struct Row {
    const char* name;
    Platform own;
    std::vector<std::pair<std::string, std::string>> there;  // "arch/variant", digest letter
    std::string want;
  } rows[] = {
      {"same", {"amd64", "linux", "", true}, {{"arm64/", "a"}, {"amd64/", "b"}}, "b"},
      {"arm v7 takes v7", {"arm", "linux", "v7", true}, {{"arm/v6", "a"}, {"arm/v7", "b"}}, "b"},
      {"arm v7 falls back to v6", {"arm", "linux", "v7", true}, {{"arm/v5", "c"}, {"arm/v6", "a"}, {"arm64/v8", "b"}}, "a"},
      {"arm v6 does not take v7", {"arm", "linux", "v6", true}, {{"arm/v7", "a"}, {"arm64/v8", "b"}}, ""},
      {"arm without a variant is v7", {"arm", "linux", "v7", true}, {{"arm/", "a"}}, "a"},
      {"arm64 with v8 or none", {"arm64", "linux", "v8", true}, {{"arm64/", "a"}}, "a"},
      {"arm64 falls back to 32 bits, the newest first", {"arm64", "linux", "v8", true}, {{"arm/v6", "a"}, {"arm/v7", "b"}}, "b"},
      {"nothing", {"amd64", "linux", "", true}, {{"s390x/", "a"}}, ""},
      {"attestations are no images", {"amd64", "linux", "", true}, {{"unknown/", "a"}}, ""},
  };
  for (const auto& row : rows) {
    Manifest index;
    index.is_index = true;
    for (const auto& [platform, letter] : row.there) {
      auto parts = cut(platform, "/");
      std::string arch(parts->first);
      index.manifests.push_back({"", digest_of(letter[0]), 1, {arch, arch == "unknown" ? "unknown" : "linux", std::string(parts->second), true}});
    }
    auto chosen = choose_platform(index, row.own);
    EXPECT_EQ(chosen.ok() ? chosen->digest : "", row.want.empty() ? "" : digest_of(row.want[0])) << row.name;
    if (chosen.ok()) continue;
    EXPECT_NE(chosen.error().message().find("no match for platform in manifest"), std::string::npos) << row.name;
  }
}

TEST(PullWords, manifests_that_are_none_are_refused_by_name) {
  std::string config = cat("\"config\":{\"digest\":\"", digest_of('a'), "\",\"size\":10}");
  struct Row {
    std::string name, json, want;
  } rows[] = {
      {"schema 1", "{\"schemaVersion\":1,\"fsLayers\":[]}", "schema 1"},
      {"no json", "<html>", "manifest"},
      {"both", cat("{", config, ",\"layers\":[],\"manifests\":[]}"), "an image and an index at once"},
      {"neither", "{\"schemaVersion\":2}", "neither an image nor an index"},
      {"a chart", cat("{\"config\":{\"mediaType\":\"application/vnd.cncf.helm.config.v1+json\",\"digest\":\"", digest_of('a'), "\",\"size\":1},\"layers\":[]}"), "no container image"},
      {"bad digest", cat("{\"config\":{\"digest\":\"sha256:../../etc\",\"size\":1},\"layers\":[]}"), "not sha256"},
      {"negative size", cat("{\"config\":{\"digest\":\"", digest_of('a'), "\",\"size\":-5},\"layers\":[]}"), "claims -5 bytes"},
      {"huge layer", cat("{", config, ",\"layers\":[{\"digest\":\"", digest_of('b'), "\",\"size\":99999999999999}]}"), "claims 99999999999999 bytes"},
      {"encrypted", cat("{", config, ",\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip+encrypted\",\"digest\":\"", digest_of('b'), "\",\"size\":1}]}"), "encrypted"},
  };
  for (const auto& row : rows) {
    auto m = parse_manifest(row.json, "");
    ASSERT_FALSE(m.ok()) << row.name;
    EXPECT_NE(m.error().message().find(row.want), std::string::npos) << row.name << ": " << m.error().message();
  }
  std::string many = cat("{", config, ",\"layers\":[");
  for (int i = 0; i < 100; i++) many += cat(i ? "," : "", "{\"digest\":\"", digest_of('b'), "\",\"size\":1}");
  EXPECT_FALSE(parse_manifest(many + "]}", "").ok());
  EXPECT_FALSE(parse_manifest(std::string(5 << 20, ' '), "").ok());
}

TEST(PullWords, proxies_are_those_of_the_environment_as_go_reads_it) {
  ProxySettings s{"http://plain:3128", "http://me:secret@tunnel:8080/", "localhost,.inner.test,exact.test,10.0.0.0/8,2001:db8::/32,port.test:5000,*.star.test"};
  struct Row {
    const char* url;
    const char* want;  // "": asked directly
  } rows[] = {
      {"http://a.test/", "plain:3128"},
      {"https://a.test/", "tunnel:8080"},
      {"https://x.inner.test/", ""},
      {"https://inner.test/", "tunnel:8080"},
      {"https://exact.test/", ""},
      {"https://sub.exact.test/", ""},
      {"https://notexact.test/", "tunnel:8080"},
      {"https://10.1.2.3/", ""},
      {"https://11.1.2.3/", "tunnel:8080"},
      {"https://[2001:db8::1]/", ""},
      {"https://[2001:db9::1]/", "tunnel:8080"},
      {"https://port.test:5000/", ""},
      {"https://port.test/", "tunnel:8080"},
      {"https://a.star.test/", ""},
      {"https://127.0.0.1:5000/", ""},
      {"https://localhost/", ""},
      {"https://[::1]/", ""},
  };
  for (const auto& row : rows) {
    auto server = s.server_for(*parse_url(row.url));
    ASSERT_TRUE(server.ok()) << row.url;
    EXPECT_EQ(*server ? cat((*server)->host, ":", (*server)->port) : "", row.want) << row.url;
  }
  EXPECT_EQ((*s.server_for(*parse_url("https://a.test/")))->authorization, "Basic " + base64_encode("me:secret"));
  EXPECT_FALSE(ProxySettings({"", "socks5://x:1", ""}).server_for(*parse_url("https://a.test/")).ok());
  EXPECT_FALSE(ProxySettings().server_for(*parse_url("https://a.test/"))->has_value());
}

constexpr const char* kRegistries = R"yaml(mirrors:
  docker.io:
    endpoint:
      - "https://mirror.local:5000"
      - http://second.local/proxy/v2
    rewrite:
      "^library/(.*)": "hub/$1"
      "(?P<team>[a-z]+)/app": "x/${team}/$$"
  "*":
    endpoint:
      - https://all.local
configs:
  "mirror.local:5000":
    auth:
      username: me
      password: 1234
    tls:
      ca_file: /ca.pem
  "*":
    tls:
      insecure_skip_verify: true
)yaml";

TEST(Registries, mirrors_rewrites_and_configs_are_as_k3s_has_them) {
  auto r = Registries::parse(kRegistries, "registries.yaml");
  ASSERT_TRUE(r.ok()) << r.error().message();
  auto hub = r->endpoints("docker.io", true);
  ASSERT_TRUE(hub.ok());
  ASSERT_EQ(hub->size(), 3u);
  EXPECT_EQ((*hub)[0].base.text(), "https://mirror.local:5000/v2");
  EXPECT_EQ((*hub)[0].credential.username, "me");
  EXPECT_EQ((*hub)[0].credential.password, "1234");
  EXPECT_EQ((*hub)[0].tls.ca_file, "/ca.pem");
  EXPECT_EQ((*hub)[0].repository("library/nginx"), "hub/nginx");
  EXPECT_EQ((*hub)[0].repository("team/app"), "x/team/$");
  EXPECT_EQ((*hub)[0].repository("other/thing"), "other/thing");
  EXPECT_EQ((*hub)[1].base.text(), "http://second.local/proxy/v2");
  EXPECT_TRUE((*hub)[1].tls.insecure_skip_verify) << "the wildcard's";
  EXPECT_EQ((*hub)[2].base.text(), "https://registry-1.docker.io/v2");
  EXPECT_TRUE((*hub)[2].is_default);
  EXPECT_EQ((*hub)[2].repository("library/nginx"), "library/nginx") << "the registry itself has no rewrites";
  EXPECT_EQ(r->endpoints("docker.io", false)->size(), 2u);
  auto other = r->endpoints("quay.io", true);
  ASSERT_EQ(other->size(), 2u);
  EXPECT_EQ((*other)[0].base.text(), "https://all.local/v2");
  EXPECT_EQ((*other)[1].base.text(), "https://quay.io/v2");
}

TEST(Registries, without_a_file_each_registry_is_its_own_endpoint) {
  Registries none;
  EXPECT_EQ((*none.endpoints("docker.io", false))[0].base.text(), "https://registry-1.docker.io/v2") << "no mirrors: the flag means nothing";
  auto local = none.endpoints("localhost:5000", true);
  EXPECT_TRUE((*local)[0].may_be_either);
  EXPECT_FALSE((*none.endpoints("registry.local:5000", true))[0].may_be_either);
  auto loaded = Registries::load("/nonexistent/registries.yaml");
  EXPECT_TRUE(loaded.ok());
}

TEST(Registries, errors_name_the_line_and_what_to_do) {
  struct Row {
    const char* name;
    std::string yaml, want;
  } rows[] = {
      {"syntax", "mirrors:\n  a: [\n", "r.yaml: yaml: line"},
      {"unknown part", "mirror:\n  a:\n", "r.yaml: line 1: mirror: is not known here; known are mirrors, configs, auths"},
      {"unknown key", "mirrors:\n  a.b:\n    endpoints:\n      - x\n", "r.yaml: line 3: mirrors.a.b.endpoints: is not known here; known are endpoint, rewrite"},
      {"no list", "mirrors:\n  a.b:\n    endpoint: https://x\n", "line 3: mirrors.a.b.endpoint: must be a list of URLs"},
      {"bad url", "mirrors:\n  a.b:\n    endpoint:\n      - ftp://x\n", "line 4: mirrors.a.b.endpoint.ftp://x: url"},
      {"bad pattern", "mirrors:\n  a.b:\n    rewrite:\n      \"(\": x\n", "line 4: mirrors.a.b.rewrite.(: is no regular expression"},
      {"bad auth", "configs:\n  a.b:\n    auth:\n      auth: \"###\"\n", "line 4: configs.a.b.auth.auth: must be base64"},
      {"half a pair", "configs:\n  a.b:\n    tls:\n      cert_file: /x\n", "line 3: configs.a.b.tls: cert_file and key_file belong together"},
      {"no boolean", "configs:\n  a.b:\n    tls:\n      insecure_skip_verify: maybe\n", "line 4: configs.a.b.tls.insecure_skip_verify: must be true or false"},
  };
  for (const auto& row : rows) {
    auto r = Registries::parse(row.yaml, "r.yaml");
    ASSERT_FALSE(r.ok()) << row.name;
    EXPECT_NE(r.error().message().find(row.want), std::string::npos) << row.name << ": " << r.error().message();
  }
  EXPECT_TRUE(Registries::parse("", "r.yaml").ok());
  EXPECT_TRUE(Registries::parse("mirrors:\n  docker.io:\nconfigs:\n", "r.yaml").ok());
}

}  // namespace
}  // namespace bramble

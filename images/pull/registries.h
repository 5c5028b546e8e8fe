// Registries: where images come from and how to prove who we are, as registries.yaml says it (k3s, private-registry.md): mirrors
// with their endpoints and rewrites, TLS and credentials per registry, "*" for those without an entry. A value, immutable;
// any thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/http/url.h"

namespace re2 {
class RE2;
}

namespace bramble {

// How a registry is told who asks. All empty: anonymous.
struct RegistryCredential {
  std::string username, password;
  std::string identity_token;  // for the token service (OAuth2 refresh token)
  std::string bearer_token;    // for the registry itself
  bool empty() const { return username.empty() && password.empty() && identity_token.empty() && bearer_token.empty(); }
  bool operator==(const RegistryCredential&) const = default;
};

struct RegistryTls {
  std::string ca_file, cert_file, key_file;
  bool insecure_skip_verify = false;
};

struct RegistryRewrite {
  std::shared_ptr<const re2::RE2> pattern;
  std::string replacement;  // in RE2's form
};

struct RegistryEndpoint {
  Url base;  // with its path, "/v2" or what a mirror has in its place; without a slash at its end
  std::vector<RegistryRewrite> rewrites;
  RegistryCredential credential;
  RegistryTls tls;
  bool is_default = false;    // the registry itself, no mirror
  bool may_be_either = false;  // this host, on a port of its own: plain HTTP, or TLS whose certificate is not looked at (as containerd)

  // The repository's name there: the first rewrite that changes it counts.
  std::string repository(std::string_view name) const;
};

class Registries {
 public:
  Registries() = default;  // no file: every registry is its own endpoint
  // `path` is named in errors, with the line and what to do. kInvalidArgument.
  static Result<Registries> parse(std::string_view yaml, std::string_view path);
  // No such file is no error. Blocking.
  static Result<Registries> load(const std::string& path);

  // Where to ask for an image of that host ("docker.io"), in order. The registry itself comes last, without rewrites, unless
  // it has mirrors and use_default is false.
  Result<std::vector<RegistryEndpoint>> endpoints(const std::string& host, bool use_default) const;

 private:
  struct Mirror {
    std::vector<std::string> endpoints;
    std::vector<RegistryRewrite> rewrites;
  };
  struct Config {
    RegistryCredential credential;
    RegistryTls tls;
  };
  const Config* config_of(const std::string& host) const;

  std::map<std::string, Mirror> mirrors_;
  std::map<std::string, Config> configs_;
};

// Go's replacement text ("$1", "${name}", "$$") in RE2's form. kInvalidArgument.
Result<std::string> rewrite_text(const re2::RE2& pattern, std::string_view replacement);

}  // namespace bramble

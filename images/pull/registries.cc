#include "images/pull/registries.h"

#include <re2/re2.h>

#include <algorithm>

#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/base/strings.h"
#include "core/json/yaml.h"

namespace bramble {
namespace {

// Finds the line of a key again: the parsed document has no places. Each key of the way is looked for behind the one before.
class Places {
 public:
  Places(std::string_view text, std::string_view path) : lines_(split(text, '\n')), path_(path) {}
  Error error(const std::vector<std::string_view>& way, std::string_view why) const {
    size_t at = 0, found = 0;
    for (std::string_view key : way) {
      for (size_t i = at; i < lines_.size(); i++) {
        if (!has_key(lines_[i], key)) continue;
        found = at = i + 1;
        break;
      }
    }
    std::string name;
    for (std::string_view key : way) name += cat(name.empty() ? "" : ".", key.substr(0, 200));
    return Error(Code::kInvalidArgument, cat(path_, found ? cat(": line ", found) : "", ": ", name, name.empty() ? "" : ": ", why));
  }

 private:
  static bool has_key(std::string_view line, std::string_view key) {
    line = trim(line);
    if (line.starts_with("- ")) line = trim(line.substr(2));
    for (std::string_view quote : {"", "\"", "'"})
      if (line.starts_with(cat(quote, key, quote)) && trim(line.substr(key.size() + 2 * quote.size())).starts_with(":")) return true;
    return trim(line.substr(0, line.find(" #"))) == key;  // an item of a list
  }
  std::vector<std::string_view> lines_;
  std::string path_;
};

bool is_local_host(std::string_view host) {
  return host == "localhost" || host == "::1" || (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos);
}

// As k3s takes an endpoint: without a scheme https, but http for localhost on a port of its own; docker.io by its real name.
Result<Url> endpoint_url(std::string_view text) {
  std::string whole(text);
  bool bare = text.find("://") == std::string_view::npos;
  if (bare) whole = cat("https://", text);
  TRY_ASSIGN(Url url, parse_url(whole));
  if (bare && is_local_host(url.host) && url.port && url.port != 443) url.scheme = "http";
  if (url.host == "docker.io" || url.host == "index.docker.io") url.host = "registry-1.docker.io";
  while (url.path.ends_with("/")) url.path.pop_back();
  if (url.path.empty()) url.path = "/v2";
  if (!url.query.empty()) return Error(Code::kInvalidArgument, cat("url ", go_quote(text), ": must not have a query"));
  return url;
}

std::string config_host(const Url& url) { return url.host == "registry-1.docker.io" ? "docker.io" : url.authority(); }

Status unknown_keys(Value object, std::initializer_list<std::string_view> known, std::vector<std::string_view> way, const Places& places) {
  for (auto [key, value] : object.members()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    std::string list;
    for (std::string_view k : known) list += cat(list.empty() ? "" : ", ", k);
    way.push_back(key);
    return places.error(way, cat("is not known here; known are ", list));
  }
  return ok();
}

Result<std::string> text_at(Value object, std::string_view key, std::vector<std::string_view> way, const Places& places) {
  Value v = object[key];
  if (!v.exists() || v.is_null()) return std::string();
  way.push_back(key);
  if (v.is_number()) return v.dump();  // a password of digits alone
  if (!v.is_string()) return places.error(way, cat("must be text, not a ", v.type_name(), "; put it in quotes"));
  return v.text();
}

Result<RegistryCredential> read_auth(Value auth, std::vector<std::string_view> way, const Places& places) {
  RegistryCredential out;
  if (!auth.exists() || auth.is_null()) return out;
  if (!auth.is_object()) return places.error(way, "must hold username and password");
  TRY(unknown_keys(auth, {"username", "password", "auth", "token", "identity_token"}, way, places));
  TRY_ASSIGN(out.username, text_at(auth, "username", way, places));
  TRY_ASSIGN(out.password, text_at(auth, "password", way, places));
  TRY_ASSIGN(out.identity_token, text_at(auth, "identity_token", way, places));
  TRY_ASSIGN(out.bearer_token, text_at(auth, "token", way, places));
  TRY_ASSIGN(std::string joined, text_at(auth, "auth", way, places));
  if (joined.empty()) return out;
  auto plain = base64_decode(joined);
  auto pair = plain ? cut(*plain, ":") : std::nullopt;
  way.push_back("auth");
  if (!pair) return places.error(way, "must be base64 of USER:PASSWORD");
  if (out.username.empty()) out.username = std::string(pair->first);
  if (out.password.empty()) out.password = std::string(pair->second.substr(0, pair->second.find('\0')));
  return out;
}

Result<RegistryTls> read_tls(Value tls, std::vector<std::string_view> way, const Places& places) {
  RegistryTls out;
  if (!tls.exists() || tls.is_null()) return out;
  if (!tls.is_object()) return places.error(way, "must hold ca_file, cert_file, key_file or insecure_skip_verify");
  TRY(unknown_keys(tls, {"ca_file", "cert_file", "key_file", "insecure_skip_verify"}, way, places));
  TRY_ASSIGN(out.ca_file, text_at(tls, "ca_file", way, places));
  TRY_ASSIGN(out.cert_file, text_at(tls, "cert_file", way, places));
  TRY_ASSIGN(out.key_file, text_at(tls, "key_file", way, places));
  if (out.cert_file.empty() != out.key_file.empty()) return places.error(way, "cert_file and key_file belong together; give both or none");
  Value skip = tls["insecure_skip_verify"];
  if (skip.exists() && !skip.is_null() && !skip.is_bool()) {
    way.push_back("insecure_skip_verify");
    return places.error(way, "must be true or false");
  }
  out.insecure_skip_verify = skip.boolean();
  return out;
}

}  // namespace

Result<std::string> rewrite_text(const RE2& pattern, std::string_view text) {
  std::string out;
  auto group = [&](std::string_view name) -> Status {
    int number = -1;
    if (auto n = parse_uint64(name)) {
      number = static_cast<int>(std::min<uint64_t>(*n, 1000));
    } else if (auto it = pattern.NamedCapturingGroups().find(std::string(name)); it != pattern.NamedCapturingGroups().end()) {
      number = it->second;
    }
    if (number < 0 || number > pattern.NumberOfCapturingGroups()) return ok();  // Go: empty
    if (number > 9) return Error(Code::kInvalidArgument, "only nine groups can be used");
    out += cat("\\", number);
    return ok();
  };
  auto word = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; };
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] == '\\') {
      out += "\\\\";
    } else if (text[i] != '$') {
      out.push_back(text[i]);
    } else if (i + 1 < text.size() && text[i + 1] == '$') {
      out.push_back('$');
      i++;
    } else if (i + 1 < text.size() && text[i + 1] == '{' && text.find('}', i) != std::string_view::npos) {
      size_t end = text.find('}', i);
      TRY(group(text.substr(i + 2, end - i - 2)));
      i = end;
    } else {
      size_t end = i + 1;
      while (end < text.size() && word(text[end])) end++;
      if (end == i + 1) out.push_back('$');
      else TRY(group(text.substr(i + 1, end - i - 1)));
      i = end - 1;
    }
  }
  return out;
}

std::string RegistryEndpoint::repository(std::string_view name) const {
  for (const RegistryRewrite& r : rewrites) {
    std::string changed(name);
    if (RE2::GlobalReplace(&changed, *r.pattern, r.replacement) > 0 && changed != name) return changed;
  }
  return std::string(name);
}

Result<Registries> Registries::parse(std::string_view yaml, std::string_view path) {
  if (yaml.size() > limits::kSmallFileBytesMax) return Error(Code::kTooLarge, cat(path, ": more than ", limits::kSmallFileBytesMax, " bytes"));
  auto parsed = parse_yaml(yaml);
  if (!parsed.ok()) return parsed.error().prefixed(path);
  Places places(yaml, path);
  Registries out;
  Value root = parsed->root();
  if (root.is_null() || !root.exists()) return out;
  if (!root.is_object()) return places.error({}, "must hold mirrors and configs");
  TRY(unknown_keys(root, {"mirrors", "configs", "auths"}, {}, places));
  for (std::string_view part : {"mirrors", "configs", "auths"})
    if (Value v = root[part]; v.exists() && !v.is_null() && !v.is_object()) return places.error({part}, "must hold registries by name");

  for (auto [host, mirror] : root["mirrors"].members()) {
    Mirror m;
    std::vector<std::string_view> way = {"mirrors", host};
    if (!mirror.is_object() && !mirror.is_null()) return places.error(way, "must hold an endpoint list");
    TRY(unknown_keys(mirror, {"endpoint", "rewrite"}, way, places));
    Value list = mirror["endpoint"];
    way = {"mirrors", host, "endpoint"};
    if (list.exists() && !list.is_null() && !list.is_array()) return places.error(way, "must be a list of URLs, each on a line that begins with a dash");
    if (list.size() > limits::kMirrorEndpointsMax) return places.error(way, cat("has more than ", limits::kMirrorEndpointsMax, " endpoints"));
    for (Value v : list.items()) {
      if (!v.is_string()) return places.error(way, "must be a list of URLs");
      auto url = endpoint_url(v.str());
      way.push_back(v.str());
      if (!url.ok()) return places.error(way, cat(url.error().message(), "; write it like https://registry.example.com:5000"));
      way.pop_back();
      if (std::find(m.endpoints.begin(), m.endpoints.end(), v.str()) == m.endpoints.end()) m.endpoints.push_back(v.text());
    }
    Value rewrites = mirror["rewrite"];
    way = {"mirrors", host, "rewrite"};
    if (rewrites.exists() && !rewrites.is_null() && !rewrites.is_object()) return places.error(way, "must hold pairs of a regular expression and its replacement");
    for (auto [pattern, replacement] : rewrites.members()) {
      way = {"mirrors", host, "rewrite", pattern};
      if (!replacement.is_string()) return places.error(way, "its replacement must be text");
      RE2::Options options;
      options.set_log_errors(false);
      options.set_max_mem(limits::kRewriteBytesMax);
      auto expression = std::make_shared<const RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
      if (!expression->ok()) return places.error(way, cat("is no regular expression: ", expression->error()));
      auto text = rewrite_text(*expression, replacement.str());
      if (!text.ok()) return places.error(way, text.error().message());
      m.rewrites.push_back({std::move(expression), std::move(*text)});
    }
    out.mirrors_[std::string(host)] = std::move(m);
  }
  for (auto [host, config] : root["configs"].members()) {
    std::vector<std::string_view> way = {"configs", host};
    if (!config.is_object() && !config.is_null()) return places.error(way, "must hold auth or tls");
    TRY(unknown_keys(config, {"auth", "tls"}, way, places));
    Config c;
    TRY_ASSIGN(c.credential, read_auth(config["auth"], {"configs", host, "auth"}, places));
    TRY_ASSIGN(c.tls, read_tls(config["tls"], {"configs", host, "tls"}, places));
    out.configs_[std::string(host)] = std::move(c);
  }
  return out;
}

Result<Registries> Registries::load(const std::string& path) {
  auto text = read_file(path);
  if (!text.ok() && text.error().code() == Code::kNotFound) return Registries();
  TRY(text);
  return parse(*text, path);
}

const Registries::Config* Registries::config_of(const std::string& host) const {
  std::vector<std::string> names = {host};
  if (host == "docker.io") names = {"registry-1.docker.io", "docker.io", "index.docker.io"};
  names.push_back("*");
  for (const std::string& name : names)
    if (auto it = configs_.find(name); it != configs_.end()) return &it->second;
  return nullptr;
}

Result<std::vector<RegistryEndpoint>> Registries::endpoints(const std::string& host, bool use_default) const {
  std::vector<RegistryEndpoint> out;
  auto add = [&](Url url, const std::vector<RegistryRewrite>& rewrites, bool is_default) {
    RegistryEndpoint e;
    if (const Config* c = config_of(config_host(url))) {
      e.credential = c->credential;
      e.tls = c->tls;
    }
    e.base = std::move(url);
    e.rewrites = rewrites;
    e.is_default = is_default;
    out.push_back(std::move(e));
  };
  TRY_ASSIGN(Url own, endpoint_url(host));
  auto mirror = mirrors_.find(host);
  if (mirror == mirrors_.end()) mirror = mirrors_.find("*");
  if (mirror != mirrors_.end()) {
    for (const std::string& text : mirror->second.endpoints) {
      TRY_ASSIGN(Url url, endpoint_url(text));
      // The registry itself comes last anyhow, and without rewrites.
      if (use_default && url.text() == own.text()) continue;
      add(std::move(url), mirror->second.rewrites, false);
    }
    if (!use_default) {
      if (out.empty()) return Error(Code::kUnavailable, cat("registry ", host, ": has no endpoint: its mirrors name none, and --disable-default-registry-endpoint is set"));
      return out;
    }
  }
  add(own, {}, true);
  // As containerd: a registry of this host on a port of its own may speak either, and its certificate is not looked at.
  RegistryEndpoint& last = out.back();
  if (is_local_host(own.host) && own.port != 80 && last.tls.ca_file.empty()) {
    last.tls.insecure_skip_verify = true;
    last.may_be_either = own.port && own.port != 443;
  }
  return out;
}

}  // namespace bramble

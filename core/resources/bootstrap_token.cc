#include "core/resources/bootstrap_token.h"

#include <algorithm>

#include "core/base/clock.h"
#include "core/json/builder.h"

namespace bramble {
namespace {

// \Asystem:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]\z
bool is_extra_group(std::string_view group) {
  constexpr std::string_view kEnds = "abcdefghijklmnopqrstuvwxyz0123456789";
  constexpr std::string_view kWithin = "abcdefghijklmnopqrstuvwxyz0123456789:-";
  constexpr size_t kBytesMax = 256;
  if (!group.starts_with("system:bootstrappers:")) return false;
  group.remove_prefix(kBootstrappers.size() + 1);
  if (group.empty() || group.size() > kBytesMax) return false;
  return group.find_first_not_of(kWithin) == std::string_view::npos && kEnds.find(group.back()) != std::string_view::npos;
}

void put(Mut data, std::string_view key, std::string_view value) {
  if (!value.empty()) data.set(key, base64_encode(value));
}

}  // namespace

std::optional<BootstrapToken> bootstrap_token_of(const Document& secret) {
  if (!secret || secret["type"].str() != kBootstrapTokenType) return std::nullopt;
  auto data = [&](std::string_view key) { return base64_decode(secret["data"][key].str()).value_or(""); };
  BootstrapToken out;
  out.id = data("token-id"), out.secret = data("token-secret"), out.description = data("description");
  if (out.id.empty() || name_of(secret) != cat(kBootstrapTokenPrefix, out.id)) return std::nullopt;
  std::string expiration = data("expiration");
  if (!expiration.empty()) out.expires_us = parse_rfc3339(expiration).value_or(INT64_MIN);
  out.authenticates = data("usage-bootstrap-authentication") == "true";
  out.signs = data("usage-bootstrap-signing") == "true";
  out.groups = {std::string(kBootstrappers)};
  std::string extra = data("auth-extra-groups");
  for (std::string_view group : split(extra, ',')) {
    if (extra.empty()) break;
    group = trim(group);
    out.groups_valid = out.groups_valid && is_extra_group(group);
    if (std::find(out.groups.begin(), out.groups.end(), group) == out.groups.end()) out.groups.emplace_back(group);
  }
  std::sort(out.groups.begin(), out.groups.end());
  return out;
}

Document bootstrap_token_secret(const BootstrapToken& token) {
  Builder b;
  Mut root = b.root();
  root.set("apiVersion", "v1");
  root.set("kind", "Secret");
  Mut m = root.object("metadata");
  m.set("name", cat(kBootstrapTokenPrefix, token.id));
  m.set("namespace", "kube-system");
  root.set("type", kBootstrapTokenType);
  Mut data = root.object("data");
  put(data, "token-id", token.id);
  put(data, "token-secret", token.secret);
  put(data, "description", token.description);
  if (token.expires_us) put(data, "expiration", format_rfc3339(*token.expires_us));
  if (token.authenticates) put(data, "usage-bootstrap-authentication", "true");
  if (token.signs) put(data, "usage-bootstrap-signing", "true");
  std::string extra;
  for (const std::string& group : token.groups) {
    if (group != kBootstrappers) extra += cat(extra.empty() ? "" : ",", group);
  }
  put(data, "auth-extra-groups", extra);
  return b.finish();
}

}  // namespace bramble

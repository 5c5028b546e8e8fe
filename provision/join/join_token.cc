#include "provision/join/join_token.h"

#include <algorithm>

#include "core/base/limits.h"
#include "core/base/strings.h"

namespace bramble {
namespace {

constexpr std::string_view kPrefix = "K10";
constexpr size_t kHashHexBytes = 64, kIdBytes = 6, kSecretBytes = 16;

Error malformed(std::string_view why) {
  return Error(Code::kInvalidArgument, cat("token: ", why, "; take it from <data-dir>/server/node-token of a server, or from: bramble token create"));
}

bool all_of(std::string_view text, std::string_view allowed) { return text.find_first_not_of(allowed) == std::string_view::npos; }

// What may stand in a header.
bool is_token68(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

bool is_bootstrap_token(std::string_view text) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
  auto parts = cut(text, ".");
  return parts && parts->first.size() == kIdBytes && parts->second.size() == kSecretBytes && all_of(parts->first, kLetters) && all_of(parts->second, kLetters);
}

std::string JoinToken::text() const {
  if (ca_sha256_hex.empty()) return password;
  return user.empty() ? cat(kPrefix, ca_sha256_hex, "::", password) : cat(kPrefix, ca_sha256_hex, "::", user, ":", password);
}

Result<JoinToken> parse_join_token(std::string_view text) {
  text = trim(text);
  JoinToken out;
  if (text.empty()) return malformed("is empty");
  if (text.size() > limits::kJoinTokenBytesMax) return malformed("is too long");
  auto full = cut(text, "::");
  if (!full) {
    if (text.starts_with(kPrefix)) return malformed("begins with K10, but is not like K10<hash>::<user>:<password>: it was not copied whole");
    out.password = text;
  } else {
    if (!full->first.starts_with(kPrefix)) return malformed("is not like K10<hash>::<user>:<password>");
    out.ca_sha256_hex = lower(full->first.substr(kPrefix.size()));
    if (out.ca_sha256_hex.size() != kHashHexBytes || !all_of(out.ca_sha256_hex, "0123456789abcdef"))
      return malformed("what follows K10 is not a SHA-256 of 64 hexadecimal digits: it was not copied whole");
    auto named = cut(full->second, ":");
    out.password = named ? named->second : full->second;
    if (named) out.user = named->first;
    if (!named && !is_bootstrap_token(out.password)) return malformed("is not like K10<hash>::<user>:<password>");
    if (named && out.user != "server" && out.user != "node") return malformed("its user is neither \"server\" nor \"node\"");
  }
  if (!is_token68(out.password)) return malformed("its password is empty or has characters that no token has");
  return out;
}

}  // namespace bramble

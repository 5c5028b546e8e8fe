// Static tokens: bearer tokens listed in a file, with the user that each stands for. Read once, at start; to change them is to
// restart. Kept as hashes, so that looking one up tells nothing of the others. Pure after making; any thread.
// Specification: Kubernetes "Authenticating", static token file (--token-auth-file).
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "core/client/client.h"

namespace bramble {

class StaticTokens {
 public:
  StaticTokens() = default;
  // Lines of token,user,uid[,"group,group"], in CSV (RFC 4180). kInvalidArgument names the line.
  static Result<StaticTokens> parse(std::string_view csv);

  void add(std::string_view token, Identity user);  // in the place of what it stood for
  const Identity* find(std::string_view token) const;  // null: none
  size_t size() const { return users_.size(); }

 private:
  std::unordered_map<std::string, Identity> users_;  // by SHA-256 of the token
};

}  // namespace bramble

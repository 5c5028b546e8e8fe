// BootstrapToken: what a Secret of type bootstrap.kubernetes.io/token in kube-system says: a token <id>.<secret> for joining,
// with an end. Pure. Specification: Kubernetes "Authenticating with Bootstrap Tokens".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/json/value.h"

namespace bramble {

inline constexpr std::string_view kBootstrapTokenType = "bootstrap.kubernetes.io/token";
inline constexpr std::string_view kBootstrapTokenPrefix = "bootstrap-token-";  // and the id: the Secret's name
inline constexpr std::string_view kBootstrappers = "system:bootstrappers";
// Who joins with a token of ours: what it may do is bound to this group (core/apiserver/default_roles_table.cc).
inline constexpr std::string_view kNodeJoiners = "system:bootstrappers:bramble:default-node-token";

struct BootstrapToken {
  std::string id, secret, description;
  std::optional<int64_t> expires_us;  // wall clock; a text that is no time has ended
  bool authenticates = false;         // usage-bootstrap-authentication
  bool signs = false;                 // usage-bootstrap-signing
  std::vector<std::string> groups;    // system:bootstrappers and its extra groups, sorted
  bool groups_valid = true;           // each extra group is like system:bootstrappers:...
  bool ended(int64_t now_us) const { return expires_us && now_us >= *expires_us; }
};

// Nothing when the Secret is none, or its name does not fit its id.
std::optional<BootstrapToken> bootstrap_token_of(const Document& secret);
Document bootstrap_token_secret(const BootstrapToken& token);

}  // namespace bramble

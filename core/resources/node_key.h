// NodeKey: which key a node's name belongs to. The first key that is certified for a name keeps it, also after the Node is
// deleted, so that no other machine becomes that node by knowing a token; `bramble node approve NAME` gives the name to the
// machine that was refused. Kept as a Secret of kube-system, written by the approver (core/controllers/node_certificates.cc) and by
// that command, read by authentication: a certificate of a node with another key than the name's is nobody's. Pure.
#pragma once

#include <optional>
#include <string>

#include "core/json/value.h"

namespace bramble {

inline constexpr std::string_view kNodeKeyType = "bramble.io/node-key";
inline constexpr std::string_view kNodeKeyNamespace = "kube-system";
// In the place of a key: the node of a server's own process, which has none.
inline constexpr std::string_view kServersOwnKey = "server";

struct NodeKey {
  std::string node;
  std::string key;      // SHA-256 of its SubjectPublicKeyInfo in hexadecimal, or kServersOwnKey; "": the next one that asks keeps the name
  std::string refused;  // the last other key that asked; "" none
};

// "" when the name is so long that no Secret can be named after it.
std::string node_key_name(std::string_view node);
std::optional<NodeKey> node_key_of(const Document& secret);  // nothing when it is none
// The Secret; `there` (may be empty) is what is changed.
Document node_key_secret(const NodeKey& key, const Document& there);

}  // namespace bramble

#include "core/resources/node_key.h"

#include "core/json/builder.h"

namespace bramble {
namespace {

constexpr std::string_view kSuffix = ".node-key.bramble";
constexpr size_t kNameBytesMax = 253;

std::string data_of(const Document& secret, std::string_view key) { return base64_decode(secret["data"][key].str()).value_or(""); }

}  // namespace

std::string node_key_name(std::string_view node) {
  if (node.empty() || node.size() + kSuffix.size() > kNameBytesMax) return {};
  return cat(node, kSuffix);
}

std::optional<NodeKey> node_key_of(const Document& secret) {
  std::string_view name = name_of(secret);
  if (!secret || secret["type"].str() != kNodeKeyType || !name.ends_with(kSuffix)) return std::nullopt;
  return NodeKey{std::string(name.substr(0, name.size() - kSuffix.size())), data_of(secret, "key"), data_of(secret, "refused")};
}

Document node_key_secret(const NodeKey& key, const Document& there) {
  Builder b(there.root());
  if (!there) b = Builder();
  Mut root = b.root();
  root.set("apiVersion", "v1");
  root.set("kind", "Secret");
  Mut m = root.object("metadata");
  m.set("name", node_key_name(key.node));
  m.set("namespace", kNodeKeyNamespace);
  root.set("type", kNodeKeyType);
  Mut data = root.object("data");
  data.set("key", base64_encode(key.key));
  if (key.refused.empty()) data.remove("refused");
  else data.set("refused", base64_encode(key.refused));
  return b.finish();
}

}  // namespace bramble

// Token cleaner: bootstrap tokens that have ended are removed. Watches: secrets. Writes: deletes of such Secrets of kube-system.
// Upstream: pkg/controller/bootstrap/tokencleaner.go.
#include "core/controllers/all.h"
#include "core/controllers/object_writes.h"
#include "core/resources/bootstrap_token.h"

namespace bramble {

namespace {

using resource_ids::kSecrets;

Plan clean(const Snapshot& snapshot, const ObjectKey& key, const Moment& now) {
  Plan plan;
  Document secret = snapshot.get(kSecrets, key.ns, key.name);
  if (!secret || secret["type"].str() != kBootstrapTokenType) return plan;
  auto token = bootstrap_token_of(secret);
  if (!token || !token->expires_us) return plan;
  if (token->ended(now.wall_us)) plan.writes.push_back(delete_write(kSecrets, secret));
  else plan.requeue_after_ms = (*token->expires_us - now.wall_us) / 1000 + 1;
  return plan;
}

void keys(const Snapshot&, const Change& change, const KeySink& sink) {
  if (change.after && namespace_of(change.after) == "kube-system" && change.after["type"].str() == kBootstrapTokenType) sink(key_of(change.after));
}

}  // namespace

Controller token_cleaner_controller() { return {"token-cleaner", "token-cleaner", "token-cleaner", {kSecrets}, {}, keys, clean, {}}; }

}  // namespace bramble

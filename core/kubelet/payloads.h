// What the files of configMap, secret, downwardAPI and projected volumes hold. Pure functions of values and a Snapshot, but for
// service account tokens, which the caller fetches. (Kubernetes API: Volume.)
#pragma once

#include <functional>
#include <string>

#include "core/client/client.h"
#include "core/kubelet/atomic_writer.h"
#include "core/kubelet/downward.h"

namespace bramble {

// A token for (audience, expirationSeconds), or the error why there is none.
using TokenOf = std::function<Result<std::string>(std::string audience, int64_t expiration_s)>;

bool has_payload(Value volume);  // whether it is one of those kinds
// Errors carry upstream's words: `configmap "x" not found`, `references non-existent config key: k`, ...
Result<Payload> volume_payload(const Snapshot& snapshot, const DownwardContext& context, Value volume, const TokenOf& token_of);

}  // namespace bramble

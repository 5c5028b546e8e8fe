// Node selection: spec.nodeSelector and node affinity terms (core/v1 NodeSelector) against a node. Pure; any thread.
#pragma once

#include <cstdint>

#include "core/json/value.h"

namespace bramble {

// One NodeSelectorTerm: matchExpressions on labels and matchFields on metadata.name, all must hold. An empty term
// matches no node. Operators In, NotIn, Exists, DoesNotExist, Gt, Lt (integers).
bool node_matches_term(Value node, Value term);
// A NodeSelector: one of the terms is enough; no terms match nothing.
bool node_matches_selector(Value node, Value node_selector);
// What a pod requires: spec.nodeSelector and affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.
bool node_matches_pod(Value node, Value pod);
// The sum of the weights of the pod's preferred terms that the node fulfils (scoring).
int64_t preferred_node_weight(Value node, Value pod);

}  // namespace bramble

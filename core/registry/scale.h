// The scale subresource of kinds that have one: a Scale of autoscaling/v1, or of the workload's own old version. Pure.
#pragma once

#include "core/resources/kind.h"

namespace bramble {

// The Scale that an object shows.
Document scale_of(const Kind& kind, Value object);
// `spec.replicas must not be negative`: kInvalidObject with upstream's text.
Status validate_scale(Value scale);
// The object with the Scale's replicas, and its resourceVersion as precondition when it has one.
Builder scaled(Value object, Value scale);

}  // namespace bramble

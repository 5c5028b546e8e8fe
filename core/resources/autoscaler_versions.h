// HorizontalPodAutoscaler lives in the store as autoscaling/v2 and is shown as v2 or as v1, which has a field for the CPU's
// share alone: all else of v2 stands in annotations there (upstream's "autoscaling.alpha.kubernetes.io/..."). Pure; any thread.
#pragma once

#include "core/json/builder.h"

namespace bramble {

// An object of autoscaling/v1 as v2 and the other way round, with apiVersion; one that has that version already is copied.
Document autoscaler_as_v2(Value v1);
Document autoscaler_as_v1(Value v2);
// The annotations in which v1 keeps the rest of v2: no object of v2 has them.
void drop_autoscaler_annotations(Mut object);

}  // namespace bramble

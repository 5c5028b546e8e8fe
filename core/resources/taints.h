// Taints and tolerations (Kubernetes "Taints and Tolerations"): matching. Pure; any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/json/value.h"

namespace bramble {

// Whether one toleration (core/v1 Toleration) tolerates one taint: operators Exists, Equal (the default), Lt and Gt
// (integers).
bool tolerates(Value toleration, Value taint);
// The first toleration of the list that tolerates the taint; absent if none does.
Value find_toleration(Value tolerations, Value taint);
// The first taint of the list with one of the two effects that nothing tolerates; absent if all are tolerated. The
// scheduler asks for NoSchedule and NoExecute, the kubelet for NoExecute only.
Value first_untolerated(Value taints, Value tolerations, bool no_schedule, bool no_execute);
// How many PreferNoSchedule taints nothing tolerates (scoring).
int count_untolerated_preferences(Value taints, Value tolerations);
// A taint list has a taint of this key and effect ("" effect: any).
bool has_taint(Value taints, std::string_view key, std::string_view effect = {});

}  // namespace bramble

// The condition DisruptionAllowed of a PodDisruptionBudget, as its controller and evictions write it. Pure; any thread.
// Upstream: k8s.io/component-helpers/apps/poddisruptionbudget.
#pragma once

#include "core/json/builder.h"

namespace bramble {

// As status.disruptionsAllowed has it. `status` is the budget's; now is RFC 3339.
void write_disruption_allowed(Mut status, std::string_view now);
// The budget could not be worked out: nothing is allowed.
void write_disruption_sync_failed(Mut status, std::string_view why, std::string_view now);
// Whether the condition says what the status says, of the present generation.
bool disruption_condition_fits(Value budget);

}  // namespace bramble

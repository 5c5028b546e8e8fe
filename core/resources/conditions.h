// Conditions of a status: `conditions: [{type, status, reason, message, lastTransitionTime, ...}]`. Pure; any thread.
#pragma once

#include <string_view>

#include "core/json/builder.h"

namespace bramble {

// The condition of that type in object.status.conditions (or in the list itself); absent if there is none.
Value find_condition(Value conditions, std::string_view type);
Mut find_condition(Mut conditions, std::string_view type);
// "True", "False", "Unknown"; "" if there is none. `object` is the whole object.
std::string_view condition_status(Value object, std::string_view type);
bool condition_is_true(Value object, std::string_view type);

struct Condition {
  std::string_view type, status, reason, message;
};
// Sets or appends the condition in the array `conditions`. lastTransitionTime becomes `now` (RFC 3339) when the status
// changes or the condition is new, else it is kept. Other members of an existing condition are kept. Gives whether
// anything changed.
bool set_condition(Mut conditions, const Condition& c, std::string_view now);
// The same, with lastUpdateTime (Deployments): set to `now` when status, reason or message changes.
bool set_condition_with_update_time(Mut conditions, const Condition& c, std::string_view now);
// The same of a meta/v1 Condition: every field is always written, observedGeneration when it is not 0.
bool set_observed_condition(Mut conditions, const Condition& c, int64_t observed_generation, std::string_view now);
bool remove_condition(Mut conditions, std::string_view type);

}  // namespace bramble

// What FlowSchemas and PriorityLevelConfigurations share: the specs that upstream fixes for the mandatory ones, and how its
// errors show a spec (its internal types have no JSON names, so Go's stand there). Pure; any thread.
#pragma once

#include <string_view>

#include "core/json/value.h"
#include "core/resources/field_error.h"

namespace bramble {

// Canonical; empty for a name that is not mandatory. Of the level "exempt" it lacks `exempt`, which admins may change.
Document mandatory_flow_spec(std::string_view name);
Document mandatory_level_spec(std::string_view name);

// As upstream's internal types marshal.
Document shown_flow_spec(Value spec);
Document shown_level_spec(Value spec);

// Conditions have a type, each another.
void validate_flow_conditions(Value status, FieldErrors& errors);

}  // namespace bramble

// Names with a domain in front ("acme.io/foo"), and lists of metav1.Condition: rules that a few kinds share. Pure; any thread.
#pragma once

#include <string_view>

#include "core/resources/field_error.h"

namespace bramble {

// A domain and a path (IsDomainPrefixedPath).
void validate_domain_path(std::string_view text, const Path& at, FieldErrors& errors);
void validate_observed_conditions(Value conditions, const Path& at, FieldErrors& errors);
// An Invalid that does not show the value.
void add_invalid_omitted(const Path& at, std::string_view detail, FieldErrors& errors);

}  // namespace bramble

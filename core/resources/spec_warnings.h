// Pieces of the Warning headers of a write (Kind::warnings), beside those of a pod's spec: names of pods' owners, claims, amounts
// in fractions. Which of them an update gives: update_warnings.h. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/resources/field_error.h"

namespace bramble {

// An object that is being made has no revision yet.
inline bool is_new(Value object) { return object["metadata"]["resourceVersion"].str().empty(); }

// A name that becomes part of pods' names and is no DNS label. used_in: "Pod names and hostnames".
void name_warning(Value object, std::string_view used_in, std::vector<std::string>& out);
// PersistentVolumeClaimSpec.
void claim_spec_warnings(Value spec, const Path& at, std::vector<std::string>& out);
void fraction_warning(Value amounts, std::string_view resource, const Path& at, std::vector<std::string>& out);

}  // namespace bramble

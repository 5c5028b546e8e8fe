// Pieces of the Warning headers of a write (Kind::warnings), beside those of a pod's spec: names of pods' owners, claims, amounts
// in fractions; and which updates warn at all. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/resources/field_error.h"

namespace bramble {

struct Kind;

// Whether an update has anything to warn of that was not there before. The registry asks it; a create always has.
bool warns_on_update(const Kind& kind, Value object, Value old);
// An object that is being made has no revision yet.
inline bool is_new(Value object) { return object["metadata"]["resourceVersion"].str().empty(); }

// A name that becomes part of pods' names and is no DNS label. used_in: "Pod names and hostnames".
void name_warning(Value object, std::string_view used_in, std::vector<std::string>& out);
// PersistentVolumeClaimSpec.
void claim_spec_warnings(Value spec, const Path& at, std::vector<std::string>& out);
void fraction_warning(Value amounts, std::string_view resource, const Path& at, std::vector<std::string>& out);

}  // namespace bramble

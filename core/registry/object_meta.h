// The system's part of ObjectMeta: what the registry writes there, and what it takes back from clients
// (k8s.io/apiserver/pkg/registry/rest, meta.go, create.go, update.go). Pure but for the Random and Clock given.
#pragma once

#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/resources/kind.h"

namespace bramble {

// uid, creationTimestamp; whatever a client may not set on create is removed.
void fill_system_fields(Mut object, Clock& clock, Random& random);
// metadata.name from generateName, when there is no name. The base is cut so that the name has at most 63 characters.
void generate_name(Mut object, Random& random);
// Owner references with one uid twice: the later ones go, with upstream's warning.
void dedupe_owner_references(Mut object, std::vector<std::string>* warnings);
// apiVersion, kind and metadata first, so that serialized objects begin alike.
Builder ordered(Builder object, const Kind& kind);

std::string api_version_of(const Kind& kind);  // "v1", "apps/v1"

}  // namespace bramble

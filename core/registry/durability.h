// Which writes may wait for the disk (DESIGN section 4): Events, Lease renewals that change renewTime alone, Node status
// that changes heartbeat times alone. Pure.
#pragma once

#include "core/resources/kind.h"
#include "storage/store.h"

namespace bramble {

// before is absent on create.
Durability durability_of(const Kind& kind, Value before, Value after);

// The same object but for metadata.resourceVersion and metadata.managedFields.
bool same_but_version(Value a, Value b);

// Members of two objects are the same, those named in `except` aside.
bool same_except(Value a, Value b, std::initializer_list<std::string_view> except);

}  // namespace bramble

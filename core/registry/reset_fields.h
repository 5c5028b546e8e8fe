// Which fields a write of an object or of one of its subresources cannot own, because the registry puts back what was there:
// the status in a write of the object, the spec in a write of its status. Upstream's tables (GetResetFields of each
// strategy), oddities kept. Pure.
#pragma once

#include "core/resources/kind.h"
#include "core/schema/apply/ownership.h"

namespace bramble {

FieldFilter reset_fields(const Kind& kind, std::string_view subresource);

}  // namespace bramble

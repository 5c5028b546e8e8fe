// The parts that an update and an apply share; internal to core/registry's managed fields.
#pragma once

#include "core/registry/managed_fields.h"

namespace bramble {

// What an object of this type is before anybody writes it: fields that are always written have their zeroes.
const Document& empty_object(const TrackedType& type);
ApplyContext apply_context(const TrackedType& type);
std::string owner_of(const TrackedType& type, const FieldWriter& writer, bool applies);
void strip_system_fields(Owners& owners, std::string_view id);
// An update by the writer: its entry, its time, the cap.
Status give_changes(const TrackedType& type, const FieldWriter& writer, Value live, Value next, ManagedFields& managed);

}  // namespace bramble

// What PersistentVolumes and their claims share: access modes, the name of the class, the finalizer that protects them.
// Pure.
#pragma once

#include <string>

#include "core/json/builder.h"
#include "core/resources/field_error.h"

namespace bramble {

void ensure_finalizer(Mut object, std::string_view name);  // in metadata.finalizers, once
std::string modes_text(Value modes);                       // "RWO,RWX"
std::string class_text(Value object);                      // spec.storageClassName, or the old annotation
void validate_modes(Value modes, const Path& at, std::string_view missing, FieldErrors& errors);

}  // namespace bramble

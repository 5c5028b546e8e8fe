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
// PersistentVolumeClaimSpec, of a claim or of a template of claims. groups_too: the groups of its data sources.
void validate_claim_spec(Value spec, const Path& at, FieldErrors& errors, bool groups_too = true);
std::string go_indented(Value v);  // pretty JSON with one space a level, as upstream's differences have it
void validate_modes(Value modes, const Path& at, std::string_view missing, FieldErrors& errors);
// What StorageClasses and VolumeAttributesClasses share: who makes the volumes, and how it is told (storageclass.cc).
void validate_provisioner(std::string_view name, const Path& at, FieldErrors& errors);
void validate_class_parameters(Value parameters, bool may_be_empty, const Path& at, FieldErrors& errors);
void validate_known_modes(Value modes, const Path& at, FieldErrors& errors);

}  // namespace bramble

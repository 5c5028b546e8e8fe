// Rules of the places that volumes come from, where a pod's volume and a PersistentVolume have the same (core/v1
// validateXxxVolumeSource). Pure; any thread.
#pragma once

#include <string_view>

#include "core/resources/field_error.h"

namespace bramble {

// `type` is the source's field ("nfs"). owner: the PersistentVolume's name, or "" for a pod's volume, which have a few rules
// apart. Types that this does not know have none.
void validate_volume_source(std::string_view type, Value source, std::string_view owner, const Path& at, FieldErrors& errors);

void validate_no_backsteps(std::string_view path, const Path& at, FieldErrors& errors);
void validate_driver_name(std::string_view name, const Path& at, FieldErrors& errors);

}  // namespace bramble

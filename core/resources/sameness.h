// Comparing two objects but for the parts that do not matter to the question. Pure; any thread.
#pragma once

#include <initializer_list>
#include <string_view>

#include "core/json/value.h"

namespace bramble {

// The members of two objects, those named in `except` aside.
bool same_except(Value a, Value b, std::initializer_list<std::string_view> except);

// metadata but for resourceVersion and managedFields. a and b are whole objects.
bool same_meta(Value a, Value b);

// Whole objects but for metadata.resourceVersion and metadata.managedFields.
bool same_but_version(Value a, Value b);

}  // namespace bramble

// A unified diff of two texts (three lines of context, no file header), as upstream appends it to "immutable after
// creation" errors. Quadratic in the number of lines that differ; inputs are bounded by the size of one object. Pure.
#pragma once

#include <string>
#include <string_view>

namespace bramble {

std::string unified_diff(std::string_view before, std::string_view after);

}  // namespace bramble

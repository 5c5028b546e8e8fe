// Warnings about labels that are going away, wherever something selects by them (pkg/api/node). Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/resources/field_error.h"

namespace bramble {

// What to write instead of a label of nodes; empty for all that stay.
std::string_view deprecated_label(std::string_view key);
// A LabelSelector over the labels of nodes.
void node_selector_warnings(Value label_selector, const Path& at, std::vector<std::string>& out);

}  // namespace bramble

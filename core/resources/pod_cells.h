// The columns that `get pods` shows. Pure.
#pragma once

#include <vector>

#include "core/resources/column.h"

namespace bramble {

std::vector<Column> pod_columns();

}  // namespace bramble

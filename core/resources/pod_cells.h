// The row that `get pods` shows. Pure.
#pragma once

#include "core/json/builder.h"

namespace bramble {

void append_pod_cells(Value pod, int64_t now_us, Mut cells);
// "Running", "Init:1/2", "CrashLoopBackOff", "Terminating" ...: the STATUS cell.
std::string pod_status_text(Value pod);

}  // namespace bramble

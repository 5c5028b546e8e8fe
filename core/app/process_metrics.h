// What the kernel says of this process, under the names that Prometheus' clients give it: CPU, memory, files, start. Read from
// /proc when asked.
#pragma once

#include "core/base/metrics.h"

namespace bramble {

void print_process_metrics(MetricText& out);

}  // namespace bramble

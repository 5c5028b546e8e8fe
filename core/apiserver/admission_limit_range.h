// LimitRanger: what a namespace's LimitRanges give to a pod's containers and refuse of pods and claims
// (Kubernetes "Limit Ranges"). Part of stage 4; pure.
#pragma once

#include <vector>

#include "core/json/builder.h"

namespace bramble {

// Requests and limits that containers leave out, and the annotation that names them.
void default_from_limits(const std::vector<Document>& limit_ranges, Mut pod);
// Upstream's text of what breaks the first LimitRange that is broken; empty when none is.
std::string broken_pod_limits(const std::vector<Document>& limit_ranges, Value pod);
std::string broken_claim_limits(const std::vector<Document>& limit_ranges, Value claim);

}  // namespace bramble

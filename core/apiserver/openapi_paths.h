// GET /openapi/v3 and below: the documents of core/schema/openapi.h. Owner's loop thread.
#pragma once

#include "core/apiserver/respond.h"

namespace bramble {

// Answers a path at or below /openapi/v3; false when the path is another.
bool serve_openapi(Request& request);

}  // namespace bramble

// The Warning headers of an update: what Kind::warnings says of the whole object, less what the kind's updates do not warn of, and what
// a status is warned of. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "core/json/value.h"

namespace bramble {

struct Kind;

void update_warnings(const Kind& kind, Value object, Value old, std::vector<std::string>& out);
void status_warnings(const Kind& kind, Value object, std::vector<std::string>& out);

}  // namespace bramble

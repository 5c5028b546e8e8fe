// Files of environment variables that containers leave for others (fileKeyRef): lines of NAME='value', where a value may go over
// several lines and ends at the next quote; blank lines and those that begin with # say nothing. Pure. (Kubernetes: "Define
// Environment Variable Values Using An Init Container".)
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace bramble {

// The value of that key; nothing when it is not there. kInvalidArgument: a line up to there is none of these.
Result<std::optional<std::string>> env_file_value(std::string_view text, std::string_view key);

}  // namespace bramble

// One request of a command to the bramble that runs on this host, over one of its sockets in <run-dir>.
#pragma once

#include <functional>
#include <string>

#include "core/json/value.h"
#include "core/loop/task.h"

namespace bramble {

// The last JSON line of the answer; the ones before it go to on_line (may be empty) as they come. An answer {"error":text}
// is an Error; kUnavailable when nobody listens.
Task<Result<Document>> call_local(std::string socket_path, std::string method, std::string target, std::function<void(Value line)> on_line);

}  // namespace bramble

// One GET of a small document over https: what an OpenID Connect issuer publishes. On the loop of its thread.
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/loop/task.h"

namespace bramble {

// The body of an answer of 200, at most limits::kOidcAnswerBytesMax, within limits::kOidcAnswerMs. ca_file "": the machine's
// authorities. kInvalidArgument, kUnavailable, kTimeout, kUnauthenticated say what and where.
Task<Result<std::string>> fetch_https(std::string url, std::string ca_file);

}  // namespace bramble

// A container's log as a stream of bytes for kubectl logs: the CRI file without its stamps, from a tail, a time, with follow
// across rotations. Loop thread; waits by inotify, reads small parts of local files directly.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/client/node_streams.h"

namespace bramble {

// ended: whether the container writes no more; asked when the file is at its end.
Result<std::unique_ptr<DuplexStream>> open_log_stream(std::string path, LogOptions options, int64_t now_us, std::function<bool()> ended);

}  // namespace bramble

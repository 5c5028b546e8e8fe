// Every queue, body, cache, retry and timeout of bramble, with its unit and the reason, sized for a board with 1 GB
// (and kept workable at 512 MB). Grouped by room. A number that limits belongs here and nowhere else.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bramble::limits {

// json: upstream refuses request bodies over 3 MiB; nesting of JSON in Go stops at 10000, ours far earlier.
constexpr size_t kBodyBytesMax = 3 * 1024 * 1024;
constexpr size_t kJsonDepthMax = 256;

// http
constexpr size_t kHeaderBytesMax = 64 * 1024;
constexpr size_t kConnectionsMax = 1024;
constexpr size_t kStreamsPerConnectionMax = 250;
constexpr size_t kSendAheadBytesMax = 64 * 1024;  // handed out ahead of a slow reader

// store
constexpr size_t kStoreQueueMax = 4096;           // writes waiting for the disk; beyond: 429
constexpr uint64_t kRevisionBlock = 1000;         // revisions reserved on disk at once, so that none is used twice

// watch cache
constexpr size_t kRingBytesMax = 8 * 1024 * 1024;
constexpr int64_t kRingAgeUsMax = 5 * 60 * 1000000LL;

// app
constexpr size_t kSmallFileBytesMax = 1024 * 1024;  // config files, certificates, tokens

}  // namespace bramble::limits

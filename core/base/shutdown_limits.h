// Of a node's shutdown and of the talk with logind about it. As limits.h; apart from it because two files alone read it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bramble::limits {

constexpr size_t kDbusMessageBytesMax = 64 * 1024;                      // of fields and of body each: logind's are some hundred bytes
constexpr size_t kDbusDescriptorsMax = 16;                              // that wait for their message
constexpr int64_t kDbusAnswerMs = 25 * 1000;                            // until a call has failed: what D-Bus libraries wait
constexpr int64_t kDbusRetryMsMin = 1000, kDbusRetryMsMax = 60 * 1000;  // after the bus was lost; upstream: each second
constexpr int64_t kLogindReloadMs = 100;                                // the first of five waits, each twice the last, for its new configuration: upstream's
constexpr int kLogindReloadTries = 5;

}  // namespace bramble::limits

#pragma once

#include <cstddef>
#include <cstdint>

namespace bramble::limits {

constexpr size_t kMetricSeriesMax = 1024;            // label sets of one table of counters; some 100 on a quiet cluster, 0.7 kB each

// fairness: upstream's figures, but for the number that waits, which is for a board
constexpr int64_t kFlowWaitMs = 15 * 1000;           // in a queue; then 429: a quarter of a request's time
constexpr size_t kFlowWaitingMax = 1000;             // in all queues; each holds its request's body
constexpr size_t kFlowObjectsPerSeat = 100;          // of a list
constexpr size_t kFlowListSeatsMax = 100;
constexpr double kFlowSeatsOfLevel = 0.15;           // the most that one request takes of its level
constexpr double kFlowRoundsBurst = 10;              // of bringing its objects back, then one a second

// audit: what the disk takes later than it comes
constexpr size_t kAuditQueueBytesMax = 8 * 1024 * 1024;  // beyond: events are dropped and counted
constexpr int64_t kAuditLimitMax = 1000 * 1000;          // of --audit-log-maxage, -maxbackup, -maxsize
constexpr size_t kAuditRotateNamesMax = 100;             // tries for a name that is free

}  // namespace bramble::limits

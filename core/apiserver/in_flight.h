// InFlight: the hard floor under all fairness: how many requests are being answered at once, and how many bytes their answers
// hold until slow readers have taken them. Beyond, 429 with upstream's words. Long-running requests (watch, exec, log and the
// like), health and the group system:masters are let through, as by upstream's --max-requests-inflight and
// --max-mutating-requests-inflight. Owner's loop thread; answers are let go on connection threads.
#pragma once

#include <atomic>
#include <memory>

#include "core/apiserver/route.h"
#include "core/base/limits.h"
#include "core/client/client.h"
#include "core/http/server.h"

namespace bramble {

class InFlight {
 public:
  struct Limits {
    size_t reads = limits::kReadsInFlightMax, writes = limits::kWritesInFlightMax, answer_bytes = limits::kAnswerBytesMax;
  };
  explicit InFlight(Limits limits) : limits_(limits), counts_(std::make_shared<Counts>()) {}

  // The responder to answer through: the request counts until its handler has let go of it and its answer is on the wire. Null:
  // no place is left.
  // `seat` is kept as long.
  std::shared_ptr<Responder> enter(const RequestInfo& info, const Identity& user, std::shared_ptr<Responder> responder,
                                   std::shared_ptr<const void> seat);

 private:
  struct Counts {
    std::atomic<size_t> reads{0}, writes{0}, answer_bytes{0};
  };
  class Place;
  class CountedResponder;
  Limits limits_;
  std::shared_ptr<Counts> counts_;
};

}  // namespace bramble

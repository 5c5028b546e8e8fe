// InFlight: the hard floor under all fairness: how many requests are being answered at once, and how many bytes their answers
// hold until slow readers have taken them, of all and of one user. Beyond, 429 with upstream's words, as by upstream's --max-requests-inflight and
// --max-mutating-requests-inflight. Long-running requests (watch, exec, log and the like) have limits of their own, for each
// user and in all: upstream has none, but memory that a board has not. Health and the group system:masters are let through.
// Owner's loop thread; answers are let go on connection threads.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "core/apiserver/route.h"
#include "core/base/limits.h"
#include "core/client/client.h"
#include "core/http/server.h"

namespace bramble {

class InFlight {
 public:
  struct Limits {
    size_t reads = limits::kReadsInFlightMax, writes = limits::kWritesInFlightMax, answer_bytes = limits::kAnswerBytesMax;
    size_t answer_bytes_of_user = limits::kAnswerBytesMax / 2;  // who does not read keeps nobody else from reading
    size_t streams = limits::kStreamsMax, streams_of_user = limits::kStreamsOfUserMax;
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
    size_t streams = 0;                                         // those of the masters too
    std::map<std::string, size_t, std::less<>> streams_of;      // by user; owner's thread
    // Of the answers of users who have not taken all of them. Owner's thread, but for the numbers.
    std::map<std::string, std::weak_ptr<std::atomic<size_t>>, std::less<>> answer_bytes_of;
  };
  class Place;
  class CountedResponder;
  class StreamResponder;
  std::shared_ptr<Responder> enter_stream(const Identity& user, std::shared_ptr<Responder> responder);
  std::shared_ptr<std::atomic<size_t>> answer_bytes_of(const std::string& user);

  Limits limits_;
  std::shared_ptr<Counts> counts_;
  size_t forgotten_at_ = 16;  // users counted: then those who are gone are looked for
};

}  // namespace bramble

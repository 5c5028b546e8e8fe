// ByteBudget: what all requests of one server may hold in memory together, from their first byte until the handler has let go
// of them, so that clients cannot exhaust a small board. Those of peers that nobody knows get a part of it only: strangers
// cannot lock out who has an identity. Any thread. Not for other rooms.
#pragma once

#include <atomic>
#include <memory>

#include "core/http/server.h"

namespace bramble {

class ByteBudget {
 public:
  ByteBudget(size_t all, size_t unknown) : all_max_(all), unknown_max_(unknown) {}

  // False: there is no room, nothing was taken.
  bool take(size_t bytes, bool known) {
    if (!add(all_, bytes, all_max_)) return false;
    if (known || add(unknown_, bytes, unknown_max_)) return true;
    all_ -= bytes;
    return false;
  }
  void give_back(size_t bytes, bool known) {
    all_ -= bytes;
    if (!known) unknown_ -= bytes;
  }

 private:
  static bool add(std::atomic<size_t>& count, size_t bytes, size_t max) {
    if (count.fetch_add(bytes) + bytes <= max) return true;
    count -= bytes;
    return false;
  }
  const size_t all_max_, unknown_max_;
  std::atomic<size_t> all_{0}, unknown_{0};
};

// A request with its share of the budget, given back when the last who holds it lets go.
class ReceivedRequest final : public HttpRequest {
 public:
  // budget may be null: then nothing is counted.
  ReceivedRequest(std::shared_ptr<ByteBudget> budget, bool known) : budget_(std::move(budget)) { peer_known = known; }
  ~ReceivedRequest() {
    if (budget_) budget_->give_back(held_bytes_, peer_known);
  }
  ReceivedRequest(const ReceivedRequest&) = delete;
  bool hold(size_t bytes) {
    if (budget_ && !budget_->take(bytes, peer_known)) return false;
    held_bytes_ += bytes;
    return true;
  }

 private:
  std::shared_ptr<ByteBudget> budget_;
  size_t held_bytes_ = 0;
};

}  // namespace bramble

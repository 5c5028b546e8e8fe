#include "core/apiserver/in_flight.h"

#include <algorithm>

#include "core/apiserver/authn.h"
#include "core/apiserver/passing_responder.h"
#include "core/apiserver/request_metrics.h"

namespace bramble {

namespace {

bool is_health(const RequestInfo& info) {
  for (std::string_view path : {"/healthz", "/livez", "/readyz"}) {
    if (!info.resource_request && info.path.starts_with(path)) return true;
  }
  return false;
}

}  // namespace

// One request's place, held by its handler and by the buffers of its answer.
class InFlight::Place {
 public:
  Place(std::shared_ptr<Counts> counts, std::shared_ptr<std::atomic<size_t>> bytes_of_user, bool mutating, std::shared_ptr<const void> seat)
      : counts_(std::move(counts)), bytes_of_user_(std::move(bytes_of_user)), seat_(std::move(seat)), mutating_(mutating) {
    ++mine();
  }
  ~Place() {
    --mine();
    counts_->answer_bytes -= answer_bytes_;
    *bytes_of_user_ -= answer_bytes_;
  }
  Place(const Place&) = delete;
  void add_answer(size_t bytes) {
    answer_bytes_ += bytes;
    counts_->answer_bytes += bytes;
    *bytes_of_user_ += bytes;
  }

 private:
  std::atomic<size_t>& mine() { return mutating_ ? counts_->writes : counts_->reads; }
  std::shared_ptr<Counts> counts_;
  std::shared_ptr<std::atomic<size_t>> bytes_of_user_;
  std::shared_ptr<const void> seat_;
  const bool mutating_;
  size_t answer_bytes_ = 0;
};

class InFlight::CountedResponder final : public PassingResponder {
 public:
  CountedResponder(std::shared_ptr<Responder> inner, std::shared_ptr<Place> place) : PassingResponder(std::move(inner)), place_(std::move(place)) {}
  void send(int status, std::vector<Header> headers, Buffer body) override {
    if (!body) return PassingResponder::send(status, std::move(headers), std::move(body));
    place_->add_answer(body->size());
    auto held = std::make_shared<std::pair<Buffer, std::shared_ptr<Place>>>(body, place_);
    PassingResponder::send(status, std::move(headers), Buffer(held, body.get()));
  }

 private:
  std::shared_ptr<Place> place_;
};

// A stream's place, held until its handler has let go of it.
class InFlight::StreamResponder final : public PassingResponder {
 public:
  StreamResponder(std::shared_ptr<Responder> inner, std::shared_ptr<Counts> counts, std::string user)
      : PassingResponder(std::move(inner)), counts_(std::move(counts)), user_(std::move(user)) {
    counts_->streams++;
    counts_->streams_of[user_]++;
  }
  ~StreamResponder() override {
    counts_->streams--;
    auto mine = counts_->streams_of.find(user_);
    if (--mine->second == 0) counts_->streams_of.erase(mine);
  }

 private:
  std::shared_ptr<Counts> counts_;
  const std::string user_;
};

std::shared_ptr<Responder> InFlight::enter_stream(const Identity& user, std::shared_ptr<Responder> responder) {
  auto own = counts_->streams_of.find(user.user);
  bool full = counts_->streams >= limits_.streams || (own != counts_->streams_of.end() && own->second >= limits_.streams_of_user);
  if (full && !in_group(user, "system:masters")) return nullptr;
  return std::make_shared<StreamResponder>(std::move(responder), counts_, user.user);
}

std::shared_ptr<std::atomic<size_t>> InFlight::answer_bytes_of(const std::string& user) {
  auto& all = counts_->answer_bytes_of;
  auto there = all.find(user);
  if (there != all.end()) {
    if (auto bytes = there->second.lock()) return bytes;
  }
  // Those who have none in flight: there are never twice as many as those who have.
  if (all.size() >= forgotten_at_) {
    std::erase_if(all, [](const auto& entry) { return entry.second.expired(); });
    forgotten_at_ = std::max<size_t>(2 * all.size(), 16);
  }
  auto fresh = std::make_shared<std::atomic<size_t>>(0);
  all[user] = fresh;
  return fresh;
}

std::shared_ptr<Responder> InFlight::enter(const RequestInfo& info, const Identity& user, std::shared_ptr<Responder> responder,
                                           std::shared_ptr<const void> seat) {
  if (is_health(info)) return responder;
  if (is_long_running(info)) return enter_stream(user, std::move(responder));
  bool mutating = is_mutating(info);
  auto bytes = answer_bytes_of(user.user);
  bool full = mutating ? counts_->writes >= limits_.writes
                       : counts_->reads >= limits_.reads || counts_->answer_bytes >= limits_.answer_bytes || *bytes >= limits_.answer_bytes_of_user;
  if (full && !in_group(user, "system:masters")) return nullptr;
  auto place = std::make_shared<Place>(counts_, std::move(bytes), mutating, std::move(seat));
  return std::make_shared<CountedResponder>(std::move(responder), std::move(place));
}

}  // namespace bramble

#include "core/apiserver/in_flight.h"

#include "core/apiserver/authn.h"
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
  Place(std::shared_ptr<Counts> counts, bool mutating, std::shared_ptr<const void> seat)
      : counts_(std::move(counts)), seat_(std::move(seat)), mutating_(mutating) {
    ++mine();
  }
  ~Place() {
    --mine();
    counts_->answer_bytes -= answer_bytes_;
  }
  Place(const Place&) = delete;
  void add_answer(size_t bytes) {
    answer_bytes_ += bytes;
    counts_->answer_bytes += bytes;
  }

 private:
  std::atomic<size_t>& mine() { return mutating_ ? counts_->writes : counts_->reads; }
  std::shared_ptr<Counts> counts_;
  std::shared_ptr<const void> seat_;
  const bool mutating_;
  size_t answer_bytes_ = 0;
};

class InFlight::CountedResponder final : public Responder {
 public:
  CountedResponder(std::shared_ptr<Responder> inner, std::shared_ptr<Place> place) : inner_(std::move(inner)), place_(std::move(place)) {}
  void send(int status, std::vector<Header> headers, Buffer body) override {
    if (!body) return inner_->send(status, std::move(headers), std::move(body));
    place_->add_answer(body->size());
    auto held = std::make_shared<std::pair<Buffer, std::shared_ptr<Place>>>(body, place_);
    inner_->send(status, std::move(headers), Buffer(held, body.get()));
  }
  void begin(int status, std::vector<Header> headers) override { inner_->begin(status, std::move(headers)); }
  Task<bool> write(Buffer chunk) override { return inner_->write(std::move(chunk)); }
  void end() override { inner_->end(); }
  Task<std::unique_ptr<WebSocket>> accept_websocket(std::vector<std::string> protocols) override {
    return inner_->accept_websocket(std::move(protocols));
  }
  Event& gone() override { return inner_->gone(); }
  void peer_is_known() override { inner_->peer_is_known(); }

 private:
  std::shared_ptr<Responder> inner_;
  std::shared_ptr<Place> place_;
};

std::shared_ptr<Responder> InFlight::enter(const RequestInfo& info, const Identity& user, std::shared_ptr<Responder> responder,
                                           std::shared_ptr<const void> seat) {
  if (is_long_running(info) || is_health(info)) return responder;
  bool mutating = is_mutating(info);
  bool full = mutating ? counts_->writes >= limits_.writes
                       : counts_->reads >= limits_.reads || counts_->answer_bytes >= limits_.answer_bytes;
  if (full && !in_group(user, "system:masters")) return nullptr;
  auto place = std::make_shared<Place>(counts_, mutating, std::move(seat));
  return std::make_shared<CountedResponder>(std::move(responder), std::move(place));
}

}  // namespace bramble

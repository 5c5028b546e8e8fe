// PassingResponder: hands every call on to another Responder. For what has to see an answer, or how long it takes, on its way.
// Threads are those of the Responder within.
#pragma once

#include <memory>
#include <utility>

#include "core/http/server.h"

namespace bramble {

class PassingResponder : public Responder {
 public:
  explicit PassingResponder(std::shared_ptr<Responder> inner) : inner_(std::move(inner)) {}
  void send(int status, std::vector<Header> headers, Buffer body) override { inner_->send(status, std::move(headers), std::move(body)); }
  void begin(int status, std::vector<Header> headers) override { inner_->begin(status, std::move(headers)); }
  Task<bool> write(Buffer chunk) override { return inner_->write(std::move(chunk)); }
  void end() override { inner_->end(); }
  Task<std::unique_ptr<WebSocket>> accept_websocket(std::vector<std::string> protocols) override {
    return inner_->accept_websocket(std::move(protocols));
  }
  std::unique_ptr<WebSocket> hand_over(std::vector<Header> headers) override { return inner_->hand_over(std::move(headers)); }
  Event& gone() override { return inner_->gone(); }
  void peer_is_known() override { inner_->peer_is_known(); }

 private:
  std::shared_ptr<Responder> inner_;
};

}  // namespace bramble

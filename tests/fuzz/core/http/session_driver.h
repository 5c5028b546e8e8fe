// Feeds a session bytes in pieces and answers every request in a way that the input chooses. No sockets, no threads.
#pragma once

#include <cstdint>
#include <vector>

#include "core/http/session.h"

namespace bramble {

class SessionDriver {
 public:
  using Make = std::unique_ptr<Session> (*)(SessionHost*);
  explicit SessionDriver(Make make) {
    host_.body_bytes_max = 4096;
    host_.wake = [] {};
    host_.start = [this](std::shared_ptr<HttpRequest> request, std::shared_ptr<ConnectionSide> side) {
      bytes_of_requests += request->path.size() + request->body.size();
      waiting_.push_back(std::move(side));
    };
    session_ = make(&host_);
  }

  // The first byte of each piece says how long it is and what the handler does after it.
  void run(const uint8_t* data, size_t size) {
    size_t at = 0;
    while (at < size && !session_->finished()) {
      uint8_t plan = data[at++];
      size_t n = size_t{1} << (plan & 7);
      if (n > size - at) n = size - at;
      if (session_->wants_read()) session_->receive(std::string_view(reinterpret_cast<const char*>(data) + at, n));
      at += n;
      answer(plan >> 3);
      drain();
      session_->waits_for();
    }
    session_->peer_finished();
    answer(3);
    drain();
  }
  size_t bytes_of_requests = 0, bytes_sent = 0;

 private:
  void answer(int how) {
    auto now = std::move(waiting_);
    waiting_.clear();
    for (auto& s : now) {
      switch (how & 7) {
        case 0:
          waiting_.push_back(s);
          break;  // later
        case 1:
          s->respond(204, {}, make_buffer(""));
          break;
        case 2:
          s->begin(200, {});
          s->chunk(make_buffer("chunk"));
          s->end();
          break;
        case 4:
          s->abort();
          break;
        case 5:
          s->upgrade({}, how & 8 ? ConnectionSide::Upgraded::kBytes : ConnectionSide::Upgraded::kMessages);
          s->websocket_message(make_buffer("message"));
          sockets_.push_back(s);
          break;
        case 6:
          session_->timed_out();
          [[fallthrough]];
        default: {
          std::vector<Header> headers;
          headers.push_back({"x", "y\r\nz: injected"});
          s->respond(200, std::move(headers), make_buffer("body"));
        }
      }
    }
    if (how & 8)
      for (auto& s : sockets_) s->websocket_close(1000, "");
    if (how & 16) session_->say_goodbye();
  }
  void drain() {
    SendQueue queue;
    session_->fill(&queue);
    bytes_sent += queue.bytes();
  }

  SessionHost host_;
  std::unique_ptr<Session> session_;
  std::vector<std::shared_ptr<ConnectionSide>> waiting_, sockets_;
};

}  // namespace bramble

#include "core/http/connection_worker.h"

#include "core/base/heap.h"
#include "core/base/limits.h"

namespace bramble {

ConnectionWorker::ConnectionWorker(std::unique_ptr<Listener> listener, Connection::Setup setup,
                                   std::shared_ptr<std::atomic<size_t>> connections)
    : listener_(std::move(listener)), setup_(std::move(setup)), count_(std::move(connections)) {
  setup_.ended = [this](Connection* c) {
    Loop::current().post([this, c, alive = alive_] {
      if (*alive) remove(c);
    });
  };
  tasks_.start(accept());
}

ConnectionWorker::~ConnectionWorker() {
  *alive_ = false;
  tasks_.cancel_all();
  for (auto& c : connections_) c->say_goodbye();
  *count_ -= connections_.size();
}

void ConnectionWorker::remove(Connection* connection) {
  size_t before = connections_.size();
  connections_.remove_if([&](const std::unique_ptr<Connection>& c) { return c.get() == connection; });
  size_t gone = before - connections_.size();
  *count_ -= gone;
  // Their blocks lie between those of the ones that stay. In a steady coming and going this costs little beside the handshakes.
  gone_since_trim_ += gone;
  bool many = gone_since_trim_ >= limits::kTrimConnections && gone_since_trim_ >= connections_.size();
  if (many && !trim_.armed()) trim_.arm_ms(limits::kTrimDelayMs);
}

void ConnectionWorker::trim() {
  gone_since_trim_ = 0;
  give_back_free_heap();
}

// With all places taken the connection that has been idle longest goes; false: none is idle.
bool ConnectionWorker::make_room() {
  if (*count_ < limits::kConnectionsMax) return true;
  Connection* oldest = nullptr;
  for (auto& c : connections_)
    if (c->idle() && (!oldest || c->idle_since_us() < oldest->idle_since_us())) oldest = c.get();
  if (!oldest) return false;
  oldest->say_goodbye();
  remove(oldest);
  return true;
}

Task<void> ConnectionWorker::accept() {
  for (;;) {
    Result<UniqueFd> fd = co_await listener_->accept();
    if (!fd.ok()) co_return;
    if (!make_room()) continue;  // closes it
    connections_.push_back(std::make_unique<Connection>(std::move(*fd), &setup_));
    ++*count_;
    connections_.back()->run();
  }
}

}  // namespace bramble

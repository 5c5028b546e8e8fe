// ConnectionWorker: accepts connections of one listening socket and runs them on one loop. Several workers share the
// socket. Not for other rooms.
#pragma once

#include <atomic>
#include <list>
#include <memory>

#include "core/http/connection.h"

namespace bramble {

class ConnectionWorker {
 public:
  // listener: a descriptor of its own. connections: how many all workers of the server have.
  ConnectionWorker(std::unique_ptr<Listener> listener, Connection::Setup setup,
                   std::shared_ptr<std::atomic<size_t>> connections);
  ~ConnectionWorker();  // says goodbye and closes all

 private:
  Task<void> accept();
  bool make_room();
  void remove(Connection* connection);
  void trim();

  std::unique_ptr<Listener> listener_;
  Connection::Setup setup_;
  std::shared_ptr<std::atomic<size_t>> count_;
  std::list<std::unique_ptr<Connection>> connections_;
  size_t gone_since_trim_ = 0;
  Timer trim_{[this] { trim(); }};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  TaskGroup tasks_;
};

}  // namespace bramble

// DbusConnection: this process on the machine's message bus (D-Bus Specification, "Authentication Protocol" and "Message Protocol"):
// calls and their answers, file descriptors that come with them, signals. One Unix socket; no other transport, no services of our
// own. Belongs to the loop of its thread. Destroying it closes it; who waits for an answer must be gone by then.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/unique_fd.h"
#include "core/loop/loop.h"
#include "core/runtime/dbus_message.h"

namespace bramble {

class DbusConnection {
 public:
  // "/run/dbus/system_bus_socket", or what DBUS_SYSTEM_BUS_ADDRESS says.
  static std::string system_bus();
  // Connected, known to the bus. Waits. kUnavailable when there is no bus.
  static Task<Result<std::unique_ptr<DbusConnection>>> open(std::string path);
  ~DbusConnection();

  struct Answer {
    DbusMessage message;
    std::vector<UniqueFd> descriptors;
  };
  // Waits for the answer. kUnavailable: the bus is lost; kTimeout; else what the other said, by its error's name.
  Task<Result<std::unique_ptr<Answer>>> call(DbusMessage message);
  // Signals that were asked for (AddMatch). Called on the loop; may not destroy the connection.
  void on_signal(std::function<void(const DbusMessage&)> fn) { signal_ = std::move(fn); }
  Event& lost() { return lost_; }

 private:
  explicit DbusConnection(UniqueFd fd);
  struct Pending {
    std::unique_ptr<Answer> answer;
    Event there;
  };
  Task<Status> authenticate();
  bool receive();
  void drain();
  void take(DbusMessage message);
  void lose(std::string why);
  Status send(std::string_view bytes);

  UniqueFd fd_;
  std::string in_, why_lost_;
  std::deque<UniqueFd> descriptors_;
  bool begun_ = false;
  uint32_t serial_ = 0;
  std::map<uint32_t, Pending*> pending_;
  std::function<void(const DbusMessage&)> signal_;
  Event lost_, line_there_;
  std::unique_ptr<FdWatch> watch_;
};

}  // namespace bramble

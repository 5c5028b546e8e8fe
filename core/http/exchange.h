// One request's way between two threads: the session that frames it (connection thread) and the Responder that the
// handler holds (owner's loop). Each side knows the other by a weak pointer that is only locked on the other's own
// thread, and calls it by posting. Not for other rooms.
#pragma once

#include <atomic>
#include <deque>
#include <memory>

#include "core/http/server.h"

namespace bramble {

// The bytes between the two sides, so that neither runs ahead.
struct ExchangeFlow {
  std::atomic<size_t> ahead{0};           // handed out by the handler, not yet framed for the wire
  std::atomic<bool> writer_waits{false};  // the handler wants to hear of room
  std::atomic<size_t> unread{0};          // WebSocket bytes received, not yet taken by the handler
  std::atomic<bool> reader_waits{false};  // the connection wants to hear when they were taken
};

class OwnerSide;

// The connection thread's end: what the handler decides arrives here. Implemented by the sessions, which call gone()
// when the exchange cannot go on.
class ConnectionSide : public std::enable_shared_from_this<ConnectionSide> {
 public:
  virtual ~ConnectionSide() = default;
  virtual void respond(int status, std::vector<Header> headers, Buffer body) = 0;
  virtual void begin(int status, std::vector<Header> headers) = 0;
  virtual void chunk(Buffer bytes) = 0;
  virtual void end() = 0;
  virtual void abort() = 0;                               // the handler went away in the middle of its answer
  enum class Upgraded { kMessages, kBytes };
  virtual void upgrade(std::vector<Header> headers, Upgraded to) = 0;  // 101; then WebSocket messages, or bytes as they are
  virtual void websocket_message(Buffer payload) = 0;
  virtual void websocket_close(int code, std::string reason) = 0;
  virtual void websocket_room() = 0;  // the handler has taken messages
  virtual void peer_is_known() = 0;

  // To the owner, from the connection thread.
  void tell_gone();
  void tell_framed(size_t bytes);  // so many bytes of chunks or messages are on their way
  void tell_websocket_message(std::string message);
  void tell_websocket_closed();
  bool websocket_full() const;

  std::shared_ptr<ExchangeFlow> flow = std::make_shared<ExchangeFlow>();
  Loop::Remote owner_loop;
  std::weak_ptr<OwnerSide> owner;  // locked on the owner's loop alone
};

// The owner's end. Made on the connection thread together with its request, then handed over.
std::shared_ptr<OwnerSide> make_owner_side(std::shared_ptr<const HttpRequest> request, Loop::Remote connection_loop,
                                           const std::shared_ptr<ConnectionSide>& connection);
std::shared_ptr<Responder> as_responder(const std::shared_ptr<OwnerSide>& owner);

}  // namespace bramble

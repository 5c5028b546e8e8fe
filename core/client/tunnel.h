// Tunnel: many byte streams over one WebSocket between a node and a server, so that the server reaches what listens on the node
// with no inbound port open there. The server's side opens streams by name; the node's side dials what the name stands for and
// carries bytes both ways, each direction of a stream within a window of its own (limits::kTunnelWindowBytes): who does not read
// holds back nobody else. After silence one side asks whether the other is there. Owner's loop thread.
// A message is a byte that says what it is, the stream's number (4 bytes, the highest first), and its content.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "core/http/server.h"
#include "core/loop/loop.h"
#include "core/loop/socket.h"

namespace bramble {

inline constexpr std::string_view kTunnelProtocol = "v1.tunnel.bramble";

class Tunnel {
 public:
  // On the node's side: connects to what the name stands for. An error's message is told to who asked.
  using Dial = std::function<Task<Result<std::unique_ptr<Stream>>>(std::string name)>;
  // dial: empty on the side that opens.
  Tunnel(std::unique_ptr<WebSocket> socket, Dial dial);
  ~Tunnel();  // all streams end
  // Until the other side is gone, silent for too long, or says what it must not. Once.
  Task<void> run();
  // This side's end of a new stream. kUnavailable: the tunnel is over, or the other side could not connect; kExhausted.
  Task<Result<std::unique_ptr<Stream>>> open(std::string name);
  bool standing() const { return !over_; }

 private:
  struct Carried;
  using CarriedRef = std::shared_ptr<Carried>;
  enum Type : unsigned char { kOpen = 1, kOpened, kRefused, kData, kEnd, kReset, kWindow, kPing, kPong };

  void send(Type type, uint32_t id, std::string_view content = {});
  bool take(std::string message);
  bool take_of_stream(Type type, uint32_t id, std::string content);
  void begin(const CarriedRef& c, std::unique_ptr<Stream> stream);
  void finish(const CarriedRef& c, bool reset);
  void finish_if_done(const CarriedRef& c);
  void end();
  void look_at_silence();
  Task<void> receive();
  Task<void> transmit();
  Task<void> dial(uint32_t id, std::string name);
  Task<void> carry_out(CarriedRef c);  // from the stream into the tunnel
  Task<void> carry_in(CarriedRef c);   // from the tunnel into the stream

  std::unique_ptr<WebSocket> socket_;
  Dial dial_;
  std::map<uint32_t, CarriedRef> streams_;
  uint32_t next_id_ = 1;
  std::deque<std::string> out_;
  size_t out_bytes_ = 0;
  bool over_ = false;
  int64_t heard_us_ = 0;
  Event wanted_, room_;
  std::shared_ptr<Event> ended_ = std::make_shared<Event>();
  Timer silence_{[this] { look_at_silence(); }};
  TaskGroup tasks_;
};

// The tunnels of a server's nodes, the newest of each. A node that comes anew replaces its former tunnel, which it has lost.
class TunnelHub {
 public:
  // Serves one node's tunnel until it is over.
  Task<void> serve(std::string node, std::unique_ptr<WebSocket> socket);
  bool has(const std::string& node) const;
  // kUnavailable: the node has no tunnel, or its end cannot connect.
  Task<Result<std::unique_ptr<Stream>>> open(std::string node, std::string name);

 private:
  std::map<std::string, std::shared_ptr<Tunnel>> tunnels_;
};

}  // namespace bramble

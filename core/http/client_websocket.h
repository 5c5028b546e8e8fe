// The client's end of an upgrade over a Wire: a WebSocket, or bytes as they are. Not for other rooms.
#pragma once

#include "core/http/server.h"
#include "core/http/websocket_frames.h"
#include "core/http/wire.h"

namespace bramble {

// early: what arrived behind the server's 101.
std::unique_ptr<WebSocket> make_client_websocket(std::unique_ptr<Wire> wire, std::string early, std::string protocol);
std::unique_ptr<WebSocket> make_client_bytes(std::unique_ptr<Wire> wire, std::string early);

}  // namespace bramble

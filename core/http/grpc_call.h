// One unary gRPC call over HTTP/2 without TLS on a connection of its own, as health checks are made: no compression, no
// metadata, one message each way. (gRPC over HTTP2; RFC 9113 with prior knowledge.) Loop thread; dropping the task drops the
// connection with it, and a caller that has waited enough does that.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/loop/socket.h"

namespace bramble {

struct GrpcRequest {
  std::string authority, path, user_agent;
  std::string message;     // protobuf
  int64_t timeout_ms = 0;  // told to the server
};

struct GrpcAnswer {
  int code = 0;          // of gRPC: 0 is OK
  std::string text;      // what the server says to it
  std::string message;   // protobuf
};

// "Unavailable" of 14, as grpc-go has it.
std::string grpc_code_name(int code);

// connected is called once the server has shown that it speaks HTTP/2. An error: the connection broke or ended before an answer.
Task<Result<GrpcAnswer>> grpc_call(std::unique_ptr<Stream> stream, GrpcRequest request, std::function<void()> connected);

}  // namespace bramble

// A server of grpc.health.v1 for tests: HTTP/2 by prior knowledge, the answer in a message and its end in trailers, as gRPC
// servers send them.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>

#include "core/base/check.h"
#include "core/base/strings.h"
#include "core/loop/loop.h"
#include "core/loop/socket.h"

namespace bramble {
namespace {

class GrpcHealthServer {
 public:
  // serving: by service name ("" of the server as a whole); others are NOT_FOUND.
  std::map<std::string, int> serving;
  bool implements = true, answers = true;
  int asked = 0;
  std::string user_agent;

  GrpcHealthServer() {
    auto at = SocketAddress::ip("127.0.0.1", 0);
    auto made = Listener::listen(*at);
    CHECK(made.ok(), "listen");
    listener_ = std::move(*made);
    tasks_.start(accept());
  }
  uint16_t port() const { return listener_->port(); }

 private:
  struct Session {
    GrpcHealthServer* server = nullptr;
    nghttp2_session* h2 = nullptr;
    std::string in, out, path;
    size_t sent = 0;
    ~Session() { nghttp2_session_del(h2); }
  };
  static nghttp2_nv header(const char* name, const char* value) {
    return {reinterpret_cast<uint8_t*>(const_cast<char*>(name)), reinterpret_cast<uint8_t*>(const_cast<char*>(value)), strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE};
  }
  static int on_header(nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t n, const uint8_t* value, size_t v, uint8_t, void* p) {
    auto* s = static_cast<Session*>(p);
    std::string_view key(reinterpret_cast<const char*>(name), n), text(reinterpret_cast<const char*>(value), v);
    if (key == ":path") s->path = std::string(text);
    if (key == "user-agent") s->server->user_agent = std::string(text);
    return 0;
  }
  static int on_data(nghttp2_session*, uint8_t, int32_t, const uint8_t* bytes, size_t n, void* p) {
    static_cast<Session*>(p)->in.append(reinterpret_cast<const char*>(bytes), n);
    return 0;
  }
  static nghttp2_ssize on_read(nghttp2_session* h2, int32_t id, uint8_t* to, size_t room, uint32_t* flags, nghttp2_data_source*, void* p) {
    auto* s = static_cast<Session*>(p);
    size_t n = std::min(room, s->out.size() - s->sent);
    memcpy(to, s->out.data() + s->sent, n);
    s->sent += n;
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_nv end[] = {header("grpc-status", "0")};
    nghttp2_submit_trailer(h2, id, end, 1);
    return static_cast<nghttp2_ssize>(n);
  }
  static int on_frame(nghttp2_session* h2, const nghttp2_frame* frame, void* p) {
    auto* s = static_cast<Session*>(p);
    bool whole = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
    if (!whole) return 0;
    GrpcHealthServer* server = s->server;
    ++server->asked;
    if (!server->answers) return 0;
    std::string service = s->in.size() > 7 ? s->in.substr(7) : std::string();
    bool right = server->implements && s->path == "/grpc.health.v1.Health/Check";
    auto known = server->serving.find(service);
    if (!right || known == server->serving.end()) {
      nghttp2_nv refused[] = {header(":status", "200"), header("content-type", "application/grpc"), header("grpc-status", right ? "5" : "12"), header("grpc-message", right ? "unknown%20service" : "no health")};
      nghttp2_submit_response2(h2, frame->hd.stream_id, refused, 4, nullptr);
      return 0;
    }
    s->out = std::string("\0\0\0\0\x02\x08", 6) + static_cast<char>(known->second);
    nghttp2_data_provider2 body{};
    body.read_callback = on_read;
    nghttp2_nv good[] = {header(":status", "200"), header("content-type", "application/grpc")};
    nghttp2_submit_response2(h2, frame->hd.stream_id, good, 2, &body);
    return 0;
  }
  Task<void> accept() {
    for (;;) {
      auto fd = co_await listener_->accept();
      if (!fd.ok()) co_return;
      tasks_.start(serve(std::move(*fd)));
    }
  }
  Task<void> serve(UniqueFd fd) {
    Stream stream(std::move(fd));
    Session s;
    s.server = this;
    nghttp2_session_callbacks* c;
    nghttp2_session_callbacks_new(&c);
    nghttp2_session_callbacks_set_on_header_callback(c, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
    nghttp2_session_server_new(&s.h2, c, &s);
    nghttp2_session_callbacks_del(c);
    nghttp2_submit_settings(s.h2, NGHTTP2_FLAG_NONE, nullptr, 0);
    for (;;) {
      std::string out;
      const uint8_t* bytes;
      nghttp2_ssize n;
      while ((n = nghttp2_session_mem_send2(s.h2, &bytes)) > 0) out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(n));
      if (!out.empty()) {
        auto sent = co_await stream.write_all(std::move(out));
        if (!sent.ok()) co_return;
      }
      auto more = co_await stream.read_some(4096);
      if (!more.ok() || more->empty()) co_return;
      if (nghttp2_session_mem_recv2(s.h2, reinterpret_cast<const uint8_t*>(more->data()), more->size()) < 0) co_return;
    }
  }

  std::unique_ptr<Listener> listener_;
  TaskGroup tasks_;
};

}  // namespace
}  // namespace bramble

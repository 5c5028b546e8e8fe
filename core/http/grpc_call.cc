#include "core/http/grpc_call.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "core/base/limits.h"
#include "core/base/strings.h"

namespace bramble {

namespace {

// One client session with one stream. nghttp2 keeps the protocol, this what the stream brings.
class GrpcExchange {
 public:
  explicit GrpcExchange(const GrpcRequest& request) : request_(request) {
    nghttp2_session_callbacks* c;
    nghttp2_session_callbacks_new(&c);
    nghttp2_session_callbacks_set_on_header_callback(c, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_close);
    nghttp2_session_client_new(&h2_, c, this);
    nghttp2_session_callbacks_del(c);
    nghttp2_submit_settings(h2_, NGHTTP2_FLAG_NONE, nullptr, 0);
    const size_t n = request.message.size();
    body_ = std::string(1, '\0');  // not compressed
    for (int shift : {24, 16, 8, 0}) body_ += static_cast<char>(n >> shift);
    body_ += request.message;
  }
  ~GrpcExchange() { nghttp2_session_del(h2_); }
  GrpcExchange(const GrpcExchange&) = delete;

  bool ready() const { return ready_; }
  bool over() const { return over_; }

  void ask() {
    std::string timeout = cat(std::max<int64_t>(1, request_.timeout_ms), "m");
    std::pair<std::string, std::string> heads[] = {{":method", "POST"}, {":scheme", "http"}, {":path", request_.path}, {":authority", request_.authority}, {"content-type", "application/grpc"},
                                                   {"user-agent", request_.user_agent}, {"te", "trailers"}, {"grpc-timeout", timeout}};
    std::vector<nghttp2_nv> nv;
    for (auto& [name, value] : heads)
      nv.push_back({reinterpret_cast<uint8_t*>(name.data()), reinterpret_cast<uint8_t*>(value.data()), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
    nghttp2_data_provider2 body{};
    body.read_callback = on_read;
    stream_ = nghttp2_submit_request2(h2_, nullptr, nv.data(), nv.size(), &body, nullptr);
  }

  std::string to_send() {
    std::string out;
    const uint8_t* bytes;
    nghttp2_ssize n;
    while ((n = nghttp2_session_mem_send2(h2_, &bytes)) > 0) out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(n));
    return out;
  }
  // False: the other side does not speak HTTP/2, or says too much.
  bool take(std::string_view bytes) {
    nghttp2_ssize used = nghttp2_session_mem_recv2(h2_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    return used == static_cast<nghttp2_ssize>(bytes.size()) && !too_much_;
  }

  GrpcAnswer answer() const {
    GrpcAnswer out;
    out.text = text_;
    if (code_) {
      out.code = *code_;
    } else if (http_status_ != 200) {
      bool away = http_status_ == 429 || http_status_ == 502 || http_status_ == 503 || http_status_ == 504;
      out.code = http_status_ == 404 ? 12 : http_status_ == 401 ? 16 : http_status_ == 403 ? 7 : http_status_ == 400 ? 13 : away ? 14 : 2;
      out.text = cat("unexpected HTTP status code received from server: ", http_status_);
    } else {
      out.code = 13;
      out.text = "server closed the stream without sending trailers";
    }
    if (out.code == 0 && (in_.size() < 5 || in_[0] != 0)) return {13, "server sent no message", ""};
    if (out.code == 0) out.message = in_.substr(5);
    return out;
  }

 private:
  static GrpcExchange* of(void* p) { return static_cast<GrpcExchange*>(p); }
  static nghttp2_ssize on_read(nghttp2_session*, int32_t, uint8_t* to, size_t room, uint32_t* flags, nghttp2_data_source*, void* p) {
    auto* self = of(p);
    size_t n = std::min(room, self->body_.size() - self->sent_);
    memcpy(to, self->body_.data() + self->sent_, n);
    self->sent_ += n;
    if (self->sent_ == self->body_.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<nghttp2_ssize>(n);
  }
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_bytes, const uint8_t* value, size_t value_bytes, uint8_t, void* p) {
    auto* self = of(p);
    if (frame->hd.stream_id != self->stream_) return 0;
    std::string_view key(reinterpret_cast<const char*>(name), name_bytes), text(reinterpret_cast<const char*>(value), value_bytes);
    if (key == ":status") self->http_status_ = static_cast<int>(parse_int64(text).value_or(0));
    if (key == "grpc-status") self->code_ = static_cast<int>(parse_int64(text).value_or(2));
    if (key == "grpc-message") self->text_ = percent_decoded(text.substr(0, limits::kProbeOutputBytesMax));
    return 0;
  }
  static int on_data(nghttp2_session*, uint8_t, int32_t, const uint8_t* bytes, size_t n, void* p) {
    auto* self = of(p);
    self->too_much_ = self->too_much_ || self->in_.size() + n > limits::kProbeOutputBytesMax;
    if (!self->too_much_) self->in_.append(reinterpret_cast<const char*>(bytes), n);
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* p) {
    if (frame->hd.type == NGHTTP2_SETTINGS) of(p)->ready_ = true;
    return 0;
  }
  static int on_close(nghttp2_session*, int32_t, uint32_t, void* p) {
    of(p)->over_ = true;
    return 0;
  }
  static std::string percent_decoded(std::string_view text) {
    auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
      bool coded = text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
      out += coded ? static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])) : text[i];
      i += coded ? 2 : 0;
    }
    return out;
  }

  const GrpcRequest& request_;
  nghttp2_session* h2_ = nullptr;
  int32_t stream_ = -1;
  std::string body_, in_, text_;
  size_t sent_ = 0;
  std::optional<int> code_;
  int http_status_ = 0;
  bool ready_ = false, over_ = false, too_much_ = false;
};

}  // namespace

std::string grpc_code_name(int code) {
  static constexpr const char* kNames[] = {"OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied", "ResourceExhausted",
                                           "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable", "DataLoss", "Unauthenticated"};
  return code >= 0 && code < 17 ? kNames[code] : cat("Code(", code, ")");
}

Task<Result<GrpcAnswer>> grpc_call(std::unique_ptr<Stream> stream, GrpcRequest request, std::function<void()> connected) {
  GrpcExchange exchange(request);
  bool asked = false;
  for (;;) {
    std::string out = exchange.to_send();
    if (!out.empty()) {
      auto sent = co_await stream->write_all(std::move(out));
      if (!sent.ok()) co_return sent.error();
    }
    if (exchange.over()) co_return exchange.answer();
    auto more = co_await stream->read_some(limits::kReceiveChunkBytes);
    if (!more.ok()) co_return more.error();
    if (more->empty()) co_return Error(Code::kUnavailable, "connection closed before server preface received");
    if (!exchange.take(*more)) co_return Error(Code::kUnavailable, "the server does not speak HTTP/2 as gRPC needs it");
    if (!exchange.ready() || asked) continue;
    asked = true;
    connected();
    exchange.ask();
  }
}

}  // namespace bramble

#include "core/http/client.h"

#include <http_parser.h>

#include "core/base/limits.h"
#include "core/base/random.h"
#include "core/http/client_websocket.h"
#include "core/http/message.h"
#include "core/http/wire.h"

namespace bramble {

std::string_view HttpResponse::header(std::string_view lower_name) const { return find_header(headers, lower_name); }

namespace {

// RFC 9110 section 15.2; 101 is the last that is said in HTTP.
bool is_interim(unsigned status) { return status >= 100 && status < 200 && status != 101; }

class Client final : public HttpClientConnection {
 public:
  Client(std::unique_ptr<Stream> stream, std::string host)
      : wire_(std::make_unique<Wire>(std::move(stream))), host_(std::move(host)) {}
  Wire& wire() { return *wire_; }
  std::unique_ptr<Wire> take_wire() { return std::move(wire_); }
  std::string take_rest() { return std::move(rest_); }

  Task<Result<HttpResponse>> request(HttpClientRequest request, size_t body_bytes_max) override;
  Task<Result<HttpResponse>> start(HttpClientRequest request) override;
  Task<Result<std::optional<std::string>>> read_body() override;
  bool reusable() const override { return message_done_ && keep_alive_ && !broken_; }
  void close() override {
    broken_ = true;
    wire_->stream().close();
  }

 private:
  Task<Status> read_more();
  Status parse(std::string_view bytes);
  static Client* of(http_parser* p) { return static_cast<Client*>(p->data); }
  static const http_parser_settings& callbacks();
  void finish_header() {
    if (!in_value_) return;
    response_.headers.push_back({lower(name_), std::string(trim(value_))});
    name_.clear();
    value_.clear();
    in_value_ = false;
  }

  std::unique_ptr<Wire> wire_;
  std::string host_;
  http_parser parser_;
  HttpResponse response_;
  std::string name_, value_, body_, rest_;
  size_t head_bytes_ = 0;
  bool in_value_ = false, head_done_ = false, message_done_ = true, keep_alive_ = true, broken_ = false,
       head_only_ = false;
};

const http_parser_settings& Client::callbacks() {
  static const http_parser_settings settings = [] {
    http_parser_settings s;
    http_parser_settings_init(&s);
    s.on_header_field = [](http_parser* p, const char* at, size_t n) {
      auto* self = of(p);
      if (self->head_done_) return 0;
      self->finish_header();
      self->name_.append(at, n);
      return (self->head_bytes_ += n) > limits::kHeaderBytesMax ? 1 : 0;
    };
    s.on_header_value = [](http_parser* p, const char* at, size_t n) {
      auto* self = of(p);
      if (self->head_done_) return 0;
      self->in_value_ = true;
      self->value_.append(at, n);
      return (self->head_bytes_ += n) > limits::kHeaderBytesMax ? 1 : 0;
    };
    s.on_headers_complete = [](http_parser* p) {
      auto* self = of(p);
      self->finish_header();
      if (is_interim(p->status_code)) return 0;
      self->response_.status = p->status_code;
      self->head_done_ = true;
      return self->head_only_ ? 1 : 0;
    };
    s.on_body = [](http_parser* p, const char* at, size_t n) {
      of(p)->body_.append(at, n);
      return 0;
    };
    s.on_message_complete = [](http_parser* p) {
      auto* self = of(p);
      if (is_interim(p->status_code)) {  // the answer itself is still to come
        self->response_.headers.clear();
        return 0;
      }
      self->message_done_ = true;
      self->keep_alive_ = http_should_keep_alive(p);
      http_parser_pause(p, 1);
      return 0;
    };
    return s;
  }();
  return settings;
}

Status Client::parse(std::string_view bytes) {
  size_t used = http_parser_execute(&parser_, &callbacks(), bytes.data(), bytes.size());
  http_errno error = HTTP_PARSER_ERRNO(&parser_);
  if (message_done_) {
    http_parser_pause(&parser_, 0);
    if (used < bytes.size()) rest_ = std::string(bytes.substr(used));
    return ok();
  }
  if (error != HPE_OK) {
    broken_ = true;
    return Error(Code::kUnavailable, cat("answer of ", host_, ": ", http_errno_description(error)));
  }
  return ok();
}

Task<Status> Client::read_more() {
  for (;;) {
    std::string bytes(limits::kReceiveChunkBytes, '\0');
    Wire::Got got = wire_->try_read(bytes.data(), bytes.size());
    if (got.kind == Wire::Got::kWait) {
      bytes = std::string();  // no memory is held while waiting
      co_await wire_->readable();
      continue;
    }
    if (got.kind == Wire::Got::kFailed) {
      broken_ = true;
      co_return wire_->error();
    }
    if (got.kind == Wire::Got::kEnd) {
      http_parser_execute(&parser_, &callbacks(), nullptr, 0);  // the end of a body without a length
      keep_alive_ = false;
      if (message_done_) co_return ok();
      broken_ = true;
      co_return Error(Code::kUnavailable, cat(host_, ": the connection ended before the answer did"));
    }
    Status parsed = parse(std::string_view(bytes.data(), got.bytes));
    co_return parsed;
  }
}

Task<Result<HttpResponse>> Client::start(HttpClientRequest request) {
  if (!message_done_ || broken_)
    co_return Error(Code::kInternal, cat(host_, ": the last answer was not read to its end"));
  response_ = HttpResponse();
  body_.clear();
  head_bytes_ = 0;
  head_done_ = message_done_ = false;
  head_only_ = request.method == "HEAD";
  http_parser_init(&parser_, HTTP_RESPONSE);
  parser_.data = this;

  std::string head = cat(request.method, " ", request.target, " HTTP/1.1\r\n");
  bool has_host = false;
  for (auto& h : request.headers) {
    has_host |= equals_ignore_case(h.name, "host");
    head += cat(h.name, ": ", safe_header_value(h.value), "\r\n");
  }
  if (!has_host) head += cat("host: ", host_, "\r\n");
  if (request.body) head += cat("content-length: ", request.body->size(), "\r\n");
  head += "\r\n";
  SendQueue queue;
  queue.append(std::move(head));
  if (request.body) queue.append(request.body);
  Status sent = co_await wire_->flush(&queue);
  // A server may refuse a body before it has read it all: its answer counts more than our failed write.
  if (!sent.ok() && sent.error().code() == Code::kCancelled) co_return sent.error();
  while (!head_done_) {
    Status more = co_await read_more();
    CO_TRY(more);
  }
  HttpResponse out = response_;
  co_return out;
}

Task<Result<std::optional<std::string>>> Client::read_body() {
  while (body_.empty() && !message_done_) {
    Status more = co_await read_more();
    CO_TRY(more);
  }
  std::optional<std::string> out;
  if (!body_.empty()) out.emplace(std::exchange(body_, std::string()));
  co_return out;
}

Task<Result<HttpResponse>> Client::request(HttpClientRequest request, size_t body_bytes_max) {
  Result<HttpResponse> response = co_await start(std::move(request));
  CO_TRY(response);
  for (;;) {
    auto piece = co_await read_body();
    CO_TRY(piece);
    if (!*piece) co_return response;
    if (response->body.size() + (*piece)->size() > body_bytes_max) {
      broken_ = true;
      co_return Error(Code::kTooLarge, cat("answer of ", host_, ": more than ", body_bytes_max, " bytes"));
    }
    response->body += **piece;
  }
}

}  // namespace

Task<Result<std::unique_ptr<HttpClientConnection>>> HttpClientConnection::over(std::unique_ptr<Stream> stream,
                                                                               HttpClientTarget target) {
  std::string name = !target.server_name.empty() ? target.server_name
                     : target.unix_path.empty()  ? target.address
                                                 : "localhost";
  std::string host = name.find(':') == std::string::npos ? name : cat("[", name, "]");
  if (target.port != 0) host += cat(":", target.port);
  auto client = std::make_unique<Client>(std::move(stream), std::move(host));
  if (target.tls) {
    Client* c = client.get();
    c->wire().use_tls(*target.tls, name);
    Timer timeout([c] { c->wire().stream().close(); });
    timeout.arm_ms(limits::kTlsHandshakeMs);
    Status shaken = co_await c->wire().handshake();
    if (!shaken.ok()) co_return shaken.error().prefixed(name);
  }
  std::unique_ptr<HttpClientConnection> out = std::move(client);
  co_return out;
}

Task<Result<std::unique_ptr<HttpClientConnection>>> HttpClientConnection::open(HttpClientTarget target) {
  auto address = target.unix_path.empty() ? SocketAddress::ip(target.address, target.port)
                                          : SocketAddress::unix_path(target.unix_path);
  CO_TRY(address);
  auto stream = co_await Stream::connect(*address, target.connect_timeout_ms);
  CO_TRY(stream);
  auto out = co_await over(std::move(*stream), std::move(target));
  co_return out;
}

Task<Result<std::unique_ptr<WebSocket>>> HttpClientConnection::websocket(
    std::unique_ptr<HttpClientConnection> connection, HttpClientRequest request, std::vector<std::string> protocols) {
  std::string nonce(16, '\0');
  RealRandom().fill(nonce.data(), nonce.size());
  std::string key = base64_encode(nonce);
  request.headers.push_back({"upgrade", "websocket"});
  request.headers.push_back({"connection", "Upgrade"});
  request.headers.push_back({"sec-websocket-version", "13"});
  request.headers.push_back({"sec-websocket-key", key});
  if (!protocols.empty()) request.headers.push_back({"sec-websocket-protocol", join(protocols, ", ")});
  auto response = co_await connection->start(std::move(request));
  CO_TRY(response);
  if (response->status != 101 || response->header("sec-websocket-accept") != websocket_accept_value(key))
    co_return Error(Code::kUnavailable, cat("websocket: the server answered ", response->status));
  auto* client = static_cast<Client*>(connection.get());
  std::unique_ptr<WebSocket> out = make_client_websocket(client->take_wire(), client->take_rest(),
                                                         std::string(response->header("sec-websocket-protocol")));
  co_return out;
}

std::unique_ptr<WebSocket> HttpClientConnection::upgraded(std::unique_ptr<HttpClientConnection> connection) {
  auto* client = static_cast<Client*>(connection.get());
  return make_client_bytes(client->take_wire(), client->take_rest());
}

}  // namespace bramble

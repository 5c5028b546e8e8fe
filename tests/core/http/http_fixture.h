// A server with a small handler on the test's loop, and ways to speak to it.
#pragma once

#include <gtest/gtest.h>

#include <map>

#include "core/base/limits.h"
#include "core/crypto/x509.h"
#include "core/http/client.h"
#include "core/http/server.h"
#include "tests/core/loop/run_task.h"

namespace bramble {

constexpr int64_t kFarFuture_s = 4102444800;

struct TestIdentity {
  CertificateAuthority ca = CertificateAuthority::create("ca", kFarFuture_s).value();
  CertificateAuthority client_ca = CertificateAuthority::create("client-ca", kFarFuture_s).value();

  std::shared_ptr<TlsServerContext> server() const {
    CertificateSubject s;
    s.common_name = "bramble";
    s.ip_addresses = {"127.0.0.1"};
    LeafOptions o;
    o.server_auth = true;
    o.not_after_s = kFarFuture_s;
    auto leaf = ca.issue_with_key(s, o).value();
    TlsServerContext::Options options;
    options.certificate_pem = leaf.certificate_pem;
    options.key_pem = leaf.key_pem;
    options.client_ca_pem = client_ca.certificate_pem();
    return TlsServerContext::create(std::move(options)).value();
  }
  std::shared_ptr<TlsClientContext> client(const CertificateAuthority* signer, std::string alpn) const {
    TlsClientContext::Options options;
    options.roots_pem = ca.certificate_pem();
    options.alpn = {std::move(alpn)};
    if (signer) {
      CertificateSubject s;
      s.common_name = "system:admin";
      s.organizations = {"system:masters"};
      LeafOptions o;
      o.client_auth = true;
      o.not_after_s = kFarFuture_s;
      auto leaf = signer->issue_with_key(s, o).value();
      options.certificate_pem = leaf.certificate_pem;
      options.key_pem = leaf.key_pem;
    }
    return TlsClientContext::create(std::move(options)).value();
  }
};

class HttpFixture : public testing::Test {
 public:
  Loop loop;
  TestIdentity identity;
  std::shared_ptr<TlsServerContext> server_tls;
  std::map<const CertificateAuthority*, std::shared_ptr<TlsClientContext>> client_tls_of;
  std::unique_ptr<HttpServer> server;
  bool use_tls = false;
  size_t threads = 1;
  size_t body_bytes_max = limits::kBodyBytesMax;
  size_t received_bytes_max = limits::kReceivedBytesMax, received_bytes_unknown_max = limits::kReceivedBytesUnknownMax;
  // What the handler did.
  int gone = 0, running = 0;
  std::vector<std::shared_ptr<Responder>> kept;
  std::optional<HttpRequest> last;

  void serve() {
    HttpServer::Options options;
    options.address = "127.0.0.1";
    options.connection_threads = threads;
    options.body_bytes_max = body_bytes_max;
    options.received_bytes_max = received_bytes_max;
    options.received_bytes_unknown_max = received_bytes_unknown_max;
    if (use_tls && !server_tls) server_tls = identity.server();
    if (use_tls) options.tls = server_tls;
    auto s = HttpServer::listen(std::move(options),
                                [this](std::shared_ptr<const HttpRequest> q, std::shared_ptr<Responder> r) {
                                  return handle(std::move(q), std::move(r));
                                });
    ASSERT_TRUE(s.ok()) << s.error().message();
    server = std::move(*s);
  }

  HttpClientTarget target(const CertificateAuthority* signer = nullptr) {
    HttpClientTarget t;
    t.address = "127.0.0.1";
    t.port = server->port();
    auto& tls = client_tls_of[signer];
    if (use_tls && !tls) tls = identity.client(signer, "http/1.1");
    if (use_tls) t.tls = tls;
    return t;
  }
  std::unique_ptr<HttpClientConnection> connect(const CertificateAuthority* signer = nullptr) {
    auto c = run_task(loop, HttpClientConnection::open(target(signer)));
    EXPECT_TRUE(c.ok()) << c.error().message();
    return std::move(*c);
  }
  Result<HttpResponse> fetch(HttpClientConnection* c, std::string method, std::string path, std::string body = "") {
    HttpClientRequest q;
    q.method = std::move(method);
    q.target = std::move(path);
    if (!body.empty()) q.body = make_buffer(std::move(body));
    return run_task(loop, c->request(std::move(q)));
  }
  // Sends bytes as they are and gives all that comes until the server closes.
  std::string raw(std::string bytes) { return run_task(loop, exchange_raw(std::move(bytes))); }
  Task<std::string> exchange_raw(std::string bytes) {
    auto stream = co_await Stream::connect(SocketAddress::ip("127.0.0.1", server->port()).value(), 1000);
    Status sent = co_await (*stream)->write_all(std::move(bytes));
    (void)sent;
    std::string all;
    for (;;) {
      auto part = co_await (*stream)->read_some(65536);
      if (!part.ok() || part->empty()) co_return all;
      all += *part;
    }
  }

 private:
  struct Running {
    explicit Running(int* n) : n_(n) { ++*n_; }
    ~Running() { --*n_; }
    int* n_;
  };

  Task<void> handle(std::shared_ptr<const HttpRequest> q, std::shared_ptr<Responder> r) {
    Running counted(&running);
    last = *q;
    if (q->path == "/echo") {
      std::vector<Header> headers;
      headers.push_back({"content-type", "text/plain"});
      r->send(200, std::move(headers), make_buffer(cat(q->method, " ", q->path, "?", q->query, "\n", q->body)));
    } else if (q->path == "/big") {
      r->send(200, {}, make_buffer(std::string(static_cast<size_t>(*parse_int64(q->query)), 'b')));
    } else if (q->path == "/known") {
      r->peer_is_known();
      r->send(200, {}, make_buffer(q->peer_known ? "known" : "unknown"));
    } else if (q->path == "/last") {
      r->send(200, {{"connection", "close"}}, make_buffer(std::string(100000, 'l')));
    } else if (q->path == "/empty") {
      r->send(204, {}, nullptr);
    } else if (q->path == "/stream") {
      r->begin(200, {});
      Buffer chunk = make_buffer(std::string(10000, 's'));
      for (int64_t i = 0; i < *parse_int64(q->query); i++) {
        bool there = co_await r->write(chunk);
        if (!there) {
          gone++;
          co_return;
        }
      }
      r->end();
    } else if (q->path == "/watch") {  // written to by the test
      r->begin(200, {});
      kept.push_back(r);
      co_await r->gone().wait();
      gone++;
    } else if (q->path == "/wait") {
      co_await r->gone().wait();
      gone++;
    } else if (q->path == "/half") {
      r->begin(200, {});
      co_await r->write(make_buffer("half"));
    } else if (q->path == "/nothing") {
      co_return;
    } else if (q->path == "/ws") {
      std::vector<std::string> protocols = {"v5.channel.k8s.io", "v4.channel.k8s.io"};
      auto ws = co_await r->accept_websocket(std::move(protocols));
      r.reset();
      if (!ws) co_return;
      for (;;) {
        auto message = co_await ws->receive();
        if (!message) break;
        if (*message == "bye") {
          ws->close(1000, "as asked");
          break;
        }
        bool sent = co_await ws->send(std::move(*message));
        if (!sent) break;
      }
      gone++;
    } else {
      r->send(404, {}, make_buffer("no such path"));
    }
  }
};

}  // namespace bramble

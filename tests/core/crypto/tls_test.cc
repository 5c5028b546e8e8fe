#include "core/crypto/tls.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

namespace bramble {
namespace {

constexpr int64_t kFarFuture_s = 4102444800;

// Two ends of a wire in memory.
struct Wire {
  std::string to_server, to_client;
  bool closed = false;
  struct End {
    std::string* in;
    std::string* out;
    bool* closed;
  } server{&to_server, &to_client, &closed}, client{&to_client, &to_server, &closed};
  static ssize_t read(void* self, void* out, size_t max) {
    auto* e = static_cast<End*>(self);
    if (e->in->empty()) return *e->closed ? 0 : -EAGAIN;
    size_t n = e->in->size() < max ? e->in->size() : max;
    std::memcpy(out, e->in->data(), n);
    e->in->erase(0, n);
    return static_cast<ssize_t>(n);
  }
  static ssize_t write(void* self, const void* bytes, size_t count) {
    auto* e = static_cast<End*>(self);
    if (e->out->size() > 100000) return -EAGAIN;
    e->out->append(static_cast<const char*>(bytes), count);
    return static_cast<ssize_t>(count);
  }
  static TlsTransport transport(End* end) { return {end, read, write}; }
};

struct Parties {
  CertificateAuthority ca = CertificateAuthority::create("ca", kFarFuture_s).value();
  CertificateAuthority client_ca = CertificateAuthority::create("client-ca", kFarFuture_s).value();

  CertifiedKey server_leaf() {
    CertificateSubject s;
    s.common_name = "bramble";
    s.dns_names = {"kubernetes.default.svc"};
    s.ip_addresses = {"127.0.0.1"};
    LeafOptions o;
    o.server_auth = true;
    o.not_after_s = kFarFuture_s;
    return ca.issue_with_key(s, o).value();
  }
  std::shared_ptr<TlsServerContext> server() {
    auto leaf = server_leaf();
    TlsServerContext::Options o;
    o.certificate_pem = leaf.certificate_pem;
    o.key_pem = leaf.key_pem;
    o.client_ca_pem = client_ca.certificate_pem();
    return TlsServerContext::create(std::move(o)).value();
  }
  std::shared_ptr<TlsClientContext> client(const CertificateAuthority* signer) {
    TlsClientContext::Options o;
    o.roots_pem = ca.certificate_pem();
    o.alpn = {"http/1.1"};
    if (signer) {
      CertificateSubject s;
      s.common_name = "system:admin";
      s.organizations = {"system:masters"};
      LeafOptions l;
      l.client_auth = true;
      l.not_after_s = kFarFuture_s;
      auto leaf = signer->issue_with_key(s, l).value();
      o.certificate_pem = leaf.certificate_pem;
      o.key_pem = leaf.key_pem;
    }
    return TlsClientContext::create(std::move(o)).value();
  }
};

struct Outcome {
  TlsSession::Kind client = TlsSession::kWantRead, server = TlsSession::kWantRead;
};
Outcome shake(TlsSession* client, TlsSession* server) {
  Outcome o;
  for (int i = 0; i < 20; i++) {
    if (o.client == TlsSession::kWantRead) o.client = client->handshake();
    if (o.server == TlsSession::kWantRead) o.server = server->handshake();
  }
  return o;
}

TEST(Tls, handshake_carries_identity_protocol_and_bytes) {
  Parties parties;
  auto server_context = parties.server();
  auto client_context = parties.client(&parties.client_ca);
  Wire wire;
  auto server = server_context->accept(Wire::transport(&wire.server));
  auto client = client_context->connect(Wire::transport(&wire.client), "127.0.0.1");
  Outcome o = shake(client.get(), server.get());
  ASSERT_EQ(o.client, TlsSession::kDone) << client->error().message();
  ASSERT_EQ(o.server, TlsSession::kDone) << server->error().message();
  ASSERT_TRUE(server->peer().has_value());
  EXPECT_EQ(server->peer()->subject.common_name, "system:admin");
  EXPECT_EQ(server->peer()->subject.organizations, std::vector<std::string>{"system:masters"});
  EXPECT_EQ(server->alpn(), "http/1.1");
  EXPECT_EQ(client->alpn(), "http/1.1");
  char buf[100];
  EXPECT_EQ(server->read(buf, sizeof buf).kind, TlsSession::kWantRead);
  EXPECT_EQ(client->write("hello", 5).bytes, 5u);
  auto got = server->read(buf, 2);
  EXPECT_EQ(got.bytes, 2u);
  EXPECT_TRUE(server->read_pending());
  EXPECT_EQ(server->read(buf, sizeof buf).bytes, 3u);
  EXPECT_EQ(server->write("answer", 6).bytes, 6u);
  EXPECT_EQ(client->read(buf, sizeof buf).bytes, 6u);  // a session ticket in between is passed over
  EXPECT_EQ(client->close_notify(), TlsSession::kDone);
  EXPECT_EQ(server->read(buf, sizeof buf).kind, TlsSession::kEnd);
}

TEST(Tls, no_client_certificate_is_no_peer) {
  Parties parties;
  auto server_context = parties.server();
  auto client_context = parties.client(nullptr);
  Wire wire;
  auto server = server_context->accept(Wire::transport(&wire.server));
  auto client = client_context->connect(Wire::transport(&wire.client), "kubernetes.default.svc");
  Outcome o = shake(client.get(), server.get());
  ASSERT_EQ(o.client, TlsSession::kDone) << client->error().message();
  ASSERT_EQ(o.server, TlsSession::kDone) << server->error().message();
  EXPECT_FALSE(server->peer().has_value());
  EXPECT_EQ(server->peer_invalid(), "");
}

TEST(Tls, a_strangers_client_certificate_is_invalid_but_does_not_break_the_handshake) {
  Parties parties;
  auto server_context = parties.server();
  auto client_context = parties.client(&parties.ca);  // not the client authority
  Wire wire;
  auto server = server_context->accept(Wire::transport(&wire.server));
  auto client = client_context->connect(Wire::transport(&wire.client), "127.0.0.1");
  Outcome o = shake(client.get(), server.get());
  ASSERT_EQ(o.client, TlsSession::kDone) << client->error().message();
  ASSERT_EQ(o.server, TlsSession::kDone) << server->error().message();
  EXPECT_FALSE(server->peer().has_value());
  EXPECT_NE(server->peer_invalid(), "");
}

TEST(Tls, the_client_refuses_a_server_of_another_name_or_authority) {
  Parties parties, other;
  struct Row {
    const char* name;
    Parties* server_of;
    const char* server_name;
  } rows[] = {{"wrong name", &parties, "10.9.9.9"}, {"wrong authority", &other, "127.0.0.1"}};
  for (auto& r : rows) {
    auto server_context = r.server_of->server();
    auto client_context = parties.client(nullptr);
    Wire wire;
    auto server = server_context->accept(Wire::transport(&wire.server));
    auto client = client_context->connect(Wire::transport(&wire.client), r.server_name);
    Outcome o = shake(client.get(), server.get());
    EXPECT_EQ(o.client, TlsSession::kFailed) << r.name;
    EXPECT_EQ(client->error().code(), Code::kUnauthenticated) << r.name;
  }
}

TEST(Tls, reload_serves_the_new_certificate_and_keeps_the_old_one_when_it_is_bad) {
  Parties parties, next;
  auto server_context = parties.server();
  EXPECT_FALSE(server_context->reload("nonsense", "nonsense", "").ok());
  auto leaf = next.server_leaf();
  EXPECT_FALSE(server_context->reload(leaf.certificate_pem, parties.server_leaf().key_pem, "").ok());
  for (bool reloaded : {false, true}) {
    if (reloaded) {
      ASSERT_TRUE(server_context->reload(leaf.certificate_pem, leaf.key_pem, next.client_ca.certificate_pem()).ok());
    }
    auto client_context = next.client(nullptr);
    Wire wire;
    auto server = server_context->accept(Wire::transport(&wire.server));
    auto client = client_context->connect(Wire::transport(&wire.client), "127.0.0.1");
    EXPECT_EQ(shake(client.get(), server.get()).client == TlsSession::kDone, reloaded);
  }
}

TEST(Tls, a_blocked_write_goes_on_with_the_same_bytes) {
  Parties parties;
  auto server_context = parties.server();
  auto client_context = parties.client(nullptr);
  Wire wire;
  auto server = server_context->accept(Wire::transport(&wire.server));
  auto client = client_context->connect(Wire::transport(&wire.client), "127.0.0.1");
  shake(client.get(), server.get());
  std::string sent(1000000, 'x'), received;
  for (size_t i = 0; i < sent.size(); i++) sent[i] = static_cast<char>(i * 7);
  size_t at = 0;
  char buf[20000];
  while (received.size() < sent.size()) {
    if (at < sent.size()) at += server->write(sent.data() + at, sent.size() - at).bytes;
    auto got = client->read(buf, sizeof buf);
    received.append(buf, got.bytes);
  }
  EXPECT_EQ(received, sent);
}

TEST(Tls, garbage_from_the_wire_fails_the_handshake) {
  Parties parties;
  auto server_context = parties.server();
  Wire wire;
  wire.to_server = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  auto server = server_context->accept(Wire::transport(&wire.server));
  EXPECT_EQ(server->handshake(), TlsSession::kFailed);
  EXPECT_EQ(server->handshake(), TlsSession::kFailed);
}

}  // namespace
}  // namespace bramble

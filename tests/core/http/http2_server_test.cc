// The server against nghttp2's own client, in memory of the test over real sockets and TLS.
#include <nghttp2/nghttp2.h>

#include <map>

#include "core/base/limits.h"
#include "core/http/message.h"
#include "core/http/wire.h"
#include "tests/core/http/http_fixture.h"

namespace bramble {
namespace {

class Http2Client {
 public:
  struct Answer {
    std::string status, body;
    std::vector<Header> headers;
    bool closed = false;
    uint32_t error = 0;
  };

  Http2Client(std::unique_ptr<Wire> wire, bool take_data) : wire_(std::move(wire)) {
    nghttp2_session_callbacks* c;
    nghttp2_session_callbacks_new(&c);
    nghttp2_session_callbacks_set_on_header_callback(c, [](nghttp2_session*, const nghttp2_frame* f, const uint8_t* n,
                                                           size_t nb, const uint8_t* v, size_t vb, uint8_t, void* p) {
      auto& a = static_cast<Http2Client*>(p)->answers[f->hd.stream_id];
      std::string name(reinterpret_cast<const char*>(n), nb), value(reinterpret_cast<const char*>(v), vb);
      if (name == ":status") a.status = value;
      a.headers.push_back({name, value});
      return 0;
    });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        c, [](nghttp2_session*, uint8_t, int32_t id, const uint8_t* b, size_t n, void* p) {
          static_cast<Http2Client*>(p)->answers[id].body.append(reinterpret_cast<const char*>(b), n);
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(c,
                                                           [](nghttp2_session*, int32_t id, uint32_t error, void* p) {
                                                             auto& a = static_cast<Http2Client*>(p)->answers[id];
                                                             a.closed = true;
                                                             a.error = error;
                                                             return 0;
                                                           });
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, [](nghttp2_session*, const nghttp2_frame* f, void* p) {
      if (f->hd.type == NGHTTP2_GOAWAY) static_cast<Http2Client*>(p)->goaway = true;
      return 0;
    });
    nghttp2_option* options;
    nghttp2_option_new(&options);
    if (!take_data) nghttp2_option_set_no_auto_window_update(options, 1);
    nghttp2_session_client_new2(&h2_, c, this, options);
    nghttp2_option_del(options);
    nghttp2_session_callbacks_del(c);
    nghttp2_submit_settings(h2_, NGHTTP2_FLAG_NONE, nullptr, 0);
    tasks_.start(read());
    flush();
  }
  ~Http2Client() { nghttp2_session_del(h2_); }

  int32_t submit(std::string method, std::string path, std::string body = "") {
    std::string keep[] = {":method", method, ":path", path, ":scheme", "https", ":authority", "127.0.0.1"};
    nghttp2_nv nv[4];
    for (int i = 0; i < 4; i++)
      nv[i] = {reinterpret_cast<uint8_t*>(keep[2 * i].data()), reinterpret_cast<uint8_t*>(keep[2 * i + 1].data()),
               keep[2 * i].size(), keep[2 * i + 1].size(), NGHTTP2_NV_FLAG_NONE};
    nghttp2_data_provider2 provider{};
    auto* source = new std::pair<std::string, size_t>(std::move(body), 0);
    bodies_.emplace_back(source);
    provider.source.ptr = source;
    provider.read_callback = [](nghttp2_session*, int32_t, uint8_t* out, size_t max, uint32_t* flags,
                                nghttp2_data_source* s, void*) -> nghttp2_ssize {
      auto* b = static_cast<std::pair<std::string, size_t>*>(s->ptr);
      size_t n = b->first.copy(reinterpret_cast<char*>(out), max, b->second);
      b->second += n;
      if (b->second == b->first.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
      return static_cast<nghttp2_ssize>(n);
    };
    int32_t id = nghttp2_submit_request2(h2_, nullptr, nv, 4, source->first.empty() ? nullptr : &provider, nullptr);
    flush();
    return id;
  }
  void cancel(int32_t id) {
    nghttp2_submit_rst_stream(h2_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    flush();
  }
  uint32_t streams_max() { return nghttp2_session_get_remote_settings(h2_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS); }
  void raw(std::string bytes) {
    queue_.append(std::move(bytes));
    wire_->try_flush(&queue_);
  }

  std::map<int32_t, Answer> answers;
  bool goaway = false, ended = false;

 private:
  void flush() {
    for (;;) {
      const uint8_t* bytes;
      nghttp2_ssize n = nghttp2_session_mem_send2(h2_, &bytes);
      if (n <= 0) break;
      queue_.append(std::string(reinterpret_cast<const char*>(bytes), static_cast<size_t>(n)));
    }
    if (!writing_ && !queue_.empty()) {
      writing_ = true;
      tasks_.start(write());
    }
  }
  Task<void> write() {
    Status s = co_await wire_->flush(&queue_);
    (void)s;
    writing_ = false;
  }
  Task<void> read() {
    std::string bytes(16384, '\0');
    for (;;) {
      Wire::Got got = wire_->try_read(bytes.data(), bytes.size());
      if (got.kind == Wire::Got::kWait) {
        co_await wire_->readable();
      } else if (got.kind != Wire::Got::kBytes) {
        ended = true;
        co_return;
      } else {
        nghttp2_session_mem_recv2(h2_, reinterpret_cast<uint8_t*>(bytes.data()), got.bytes);
        flush();
      }
    }
  }
  std::unique_ptr<Wire> wire_;
  nghttp2_session* h2_ = nullptr;
  SendQueue queue_;
  bool writing_ = false;
  std::vector<std::unique_ptr<std::pair<std::string, size_t>>> bodies_;
  TaskGroup tasks_;
};

Task<std::unique_ptr<Wire>> open_wire(uint16_t port, std::shared_ptr<TlsClientContext> tls) {
  auto stream = co_await Stream::connect(SocketAddress::ip("127.0.0.1", port).value(), 1000);
  auto wire = std::make_unique<Wire>(std::move(stream).value());
  wire->use_tls(*tls, "127.0.0.1");
  Status s = co_await wire->handshake();
  EXPECT_TRUE(s.ok());
  EXPECT_EQ(wire->tls()->alpn(), "h2");
  co_return wire;
}

class Http2Server : public HttpFixture {
 public:
  Http2Server() {
    use_tls = true;
    client_tls = identity.client(&identity.client_ca, "h2");
  }
  std::unique_ptr<Http2Client> h2(bool take_data = true) {
    return std::make_unique<Http2Client>(run_task(loop, open_wire(server->port(), client_tls)), take_data);
  }
  // Without a certificate.
  std::unique_ptr<Http2Client> stranger() {
    return std::make_unique<Http2Client>(run_task(loop, open_wire(server->port(), identity.client(nullptr, "h2"))), true);
  }
  std::shared_ptr<TlsClientContext> client_tls;
};

TEST_F(Http2Server, answers_many_requests_on_one_connection) {
  serve();
  auto c = h2();
  std::vector<int32_t> ids;
  for (int i = 0; i < 100; i++) ids.push_back(c->submit("POST", cat("/echo?", i), cat("body", i)));
  run_until(loop, [&] { return c->answers[ids.back()].closed; });
  for (size_t i = 0; i < ids.size(); i++) {
    run_until(loop, [&] { return c->answers[ids[i]].closed; });
    EXPECT_EQ(c->answers[ids[i]].status, "200");
    EXPECT_EQ(c->answers[ids[i]].body, cat("POST /echo?", i, "\nbody", i));
  }
  EXPECT_EQ(last->http_major, 2);
  EXPECT_EQ(last->header("host"), "127.0.0.1");
  EXPECT_EQ(last->peer.common_name, "system:admin");
}

TEST_F(Http2Server, sends_large_bodies_streams_and_none) {
  serve();
  auto c = h2();
  int32_t big = c->submit("GET", "/big?3000000"), stream = c->submit("GET", "/stream?300"),
          head = c->submit("HEAD", "/big?99"), empty = c->submit("GET", "/empty"), none = c->submit("GET", "/nothing"),
          half = c->submit("GET", "/half");
  for (int32_t id : {big, stream, head, empty, none, half}) run_until(loop, [&] { return c->answers[id].closed; });
  EXPECT_EQ(c->answers[big].body, std::string(3000000, 'b'));
  EXPECT_EQ(c->answers[stream].body, std::string(3000000, 's'));
  EXPECT_EQ(c->answers[head].body, "");
  EXPECT_EQ(find_header(c->answers[head].headers, "content-length"), "99");
  EXPECT_EQ(c->answers[empty].status, "204");
  EXPECT_EQ(c->answers[none].status, "500");
  EXPECT_EQ(c->answers[half].error, static_cast<uint32_t>(NGHTTP2_INTERNAL_ERROR));
}

TEST_F(Http2Server, takes_a_large_body_and_refuses_a_larger_one) {
  serve();
  auto c = h2();
  int32_t fits = c->submit("POST", "/echo", std::string(limits::kBodyBytesMax, 'x'));
  run_until(loop, [&] { return c->answers[fits].closed; });
  EXPECT_EQ(c->answers[fits].status, "200");
  EXPECT_EQ(c->answers[fits].body.size(), limits::kBodyBytesMax + 12);
  int32_t more = c->submit("POST", "/echo", std::string(limits::kBodyBytesMax + 1, 'x'));
  run_until(loop, [&] { return c->answers[more].closed; });
  EXPECT_EQ(c->answers[more].status, "413");
  int32_t long_path = c->submit("GET", cat("/", std::string(65000, 'p')));
  run_until(loop, [&] { return c->answers[long_path].closed; });
  EXPECT_EQ(c->answers[long_path].status, "404");
}

TEST_F(Http2Server, a_stranger_has_few_streams_until_the_handler_knows_who_it_is) {
  serve();
  auto admin = h2(), other = stranger();
  // 100 is what nghttp2 assumes until the server has spoken.
  run_until(loop, [&] { return admin->streams_max() != 100 && other->streams_max() != 100; });
  EXPECT_EQ(admin->streams_max(), limits::kStreamsPerConnectionMax) << "the certificate says who it is";
  EXPECT_EQ(other->streams_max(), limits::kStreamsUnknownMax);
  int32_t first = other->submit("GET", "/known");
  run_until(loop, [&] { return other->answers[first].closed; });
  EXPECT_EQ(other->answers[first].body, "unknown");
  EXPECT_EQ(other->streams_max(), limits::kStreamsPerConnectionMax) << "told before the answer";
  int32_t second = other->submit("GET", "/known");
  run_until(loop, [&] { return other->answers[second].closed; });
  EXPECT_EQ(other->answers[second].body, "known");
}

TEST_F(Http2Server, bodies_together_have_a_limit_and_strangers_only_a_part_of_it) {
  received_bytes_max = 400000;
  received_bytes_unknown_max = 200000;
  serve();
  auto admin = h2(), other = stranger();
  auto held = other->submit("POST", "/wait", std::string(150000, 'x'));
  run_until(loop, [&] { return running == 1; });
  int32_t refused = other->submit("POST", "/echo", std::string(150000, 'x'));
  run_until(loop, [&] { return other->answers[refused].closed; });
  EXPECT_EQ(other->answers[refused].status, "429");
  EXPECT_EQ(other->answers[refused].body, "Too many requests, please try again later.\n");
  EXPECT_EQ(find_header(other->answers[refused].headers, "retry-after"), "1");
  int32_t fits = admin->submit("POST", "/echo", std::string(200000, 'x'));
  run_until(loop, [&] { return admin->answers[fits].closed; });
  EXPECT_EQ(admin->answers[fits].status, "200") << "strangers leave room for those who are known";
  int32_t too_much = admin->submit("POST", "/echo", std::string(300000, 'x'));
  run_until(loop, [&] { return admin->answers[too_much].closed; });
  EXPECT_EQ(admin->answers[too_much].status, "429");
  other->cancel(held);
  last.reset();
  run_until(loop, [&] { return running == 0; });
  int32_t again = other->submit("POST", "/echo", std::string(150000, 'x'));
  run_until(loop, [&] { return other->answers[again].closed; });
  EXPECT_EQ(other->answers[again].status, "200") << "what was held has been given back";
}

TEST_F(Http2Server, an_answer_may_be_the_last_of_its_connection) {
  serve();
  auto c = h2();
  int32_t stream = c->submit("GET", "/stream?30"), asked = c->submit("GET", "/last");
  run_until(loop, [&] { return c->ended; });
  EXPECT_TRUE(c->goaway);
  EXPECT_EQ(c->answers[asked].body.size(), 100000u);
  EXPECT_EQ(c->answers[stream].body.size(), 300000u) << "the other streams come to their end";
}

TEST_F(Http2Server, cancelling_a_stream_sets_gone_and_leaves_the_others) {
  serve();
  auto c = h2();
  int32_t watch = c->submit("GET", "/watch"), wait = c->submit("GET", "/wait");
  run_until(loop, [&] { return running == 2; });
  c->cancel(watch);
  run_until(loop, [&] { return gone == 1; });
  c->cancel(wait);
  run_until(loop, [&] { return gone == 2; });
  int32_t echo = c->submit("GET", "/echo");
  run_until(loop, [&] { return c->answers[echo].closed; });
  EXPECT_EQ(c->answers[echo].status, "200");
}

TEST_F(Http2Server, a_slow_stream_holds_only_itself_back) {
  serve();
  auto c = h2(false);  // never opens its windows again
  int32_t slow = c->submit("GET", "/stream?100000");
  run_until(loop, [&] { return c->answers[slow].body.size() >= 65535; });
  run_task(loop, sleep_ms(30));
  EXPECT_EQ(running, 1);
  c.reset();
  run_until(loop, [&] { return running == 0; });
  EXPECT_EQ(gone, 1);
}

Task<void> write_everywhere(std::vector<std::shared_ptr<Responder>>* all, Buffer event, int* done) {
  for (size_t i = 0; i < all->size(); i++) {
    auto r = (*all)[i];
    bool there = co_await r->write(event);
    *done += there;
  }
}

TEST_F(Http2Server, a_thousand_watchers_share_one_buffer) {
  serve();
  std::vector<std::unique_ptr<Http2Client>> clients;
  for (int i = 0; i < 5; i++) {
    clients.push_back(h2());
    for (int k = 0; k < 200; k++) clients.back()->submit("GET", "/watch");
  }
  run_until(loop, [&] { return kept.size() == 1000; });
  Buffer event = make_buffer(std::string(2000, 'e'));
  int written = 0;
  TaskGroup group;
  for (int round = 0; round < 3; round++) {
    group.start(write_everywhere(&kept, event, &written));
    run_until(loop, [&] { return written == 1000 * (round + 1); });
  }
  run_until(loop, [&] {
    size_t whole = 0;
    for (auto& c : clients)
      for (auto& [id, a] : c->answers) whole += a.body.size() == 6000;
    return whole == 1000;
  });
  run_until(loop, [&] { return group.size() == 0 && event.use_count() == 1; });  // nobody keeps a copy
  clients.clear();
  run_until(loop, [&] { return gone == 1000; });
  EXPECT_EQ(running, 0);
}

TEST_F(Http2Server, says_goodbye_when_it_stops) {
  serve();
  auto c = h2();
  int32_t echo = c->submit("GET", "/echo");
  run_until(loop, [&] { return c->answers[echo].closed; });
  server.reset();
  run_until(loop, [&] { return c->ended; });
  EXPECT_TRUE(c->goaway);
}

TEST_F(Http2Server, garbage_ends_the_connection) {
  serve();
  auto c = h2();
  c->raw(std::string(1000, '\xff'));
  run_until(loop, [&] { return c->ended; });
  EXPECT_TRUE(c->goaway);
}

}  // namespace
}  // namespace bramble

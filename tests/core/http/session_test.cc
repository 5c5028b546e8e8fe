// Sessions without sockets: time limits, back-pressure, cancellation at every point of an exchange.
#include "core/base/limits.h"
#include "core/http/session.h"

#include <gtest/gtest.h>

#include "core/base/strings.h"
#include "core/http/websocket_frames.h"

namespace bramble {
namespace {

struct Driver {
  SessionHost host;
  std::vector<std::shared_ptr<HttpRequest>> requests;
  std::vector<std::shared_ptr<ConnectionSide>> sides;
  int wakes = 0;
  std::unique_ptr<Session> session;

  Driver() {
    host.wake = [this] { wakes++; };
    host.start = [this](std::shared_ptr<HttpRequest> q, std::shared_ptr<ConnectionSide> s) {
      requests.push_back(std::move(q));
      sides.push_back(std::move(s));
    };
    session = make_http1_session(&host);
  }
  std::string sent() {
    std::string all;
    for (;;) {
      SendQueue queue;
      session->fill(&queue);
      if (queue.empty()) return all;
      while (!queue.empty()) {
        char joined[100];
        std::string_view part = queue.front_joined(joined, sizeof joined);
        all += part;
        queue.consume(part.size());
      }
    }
  }
};

constexpr char kGet[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr char kUpgrade[] =
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

TEST(Http1Session, requests_share_a_budget_of_bytes) {
  auto budget = std::make_shared<ByteBudget>(2000, 1000);
  std::string post = cat("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 600\r\n\r\n", std::string(600, 'x'));
  Driver first, second, known;
  first.host.budget = second.host.budget = known.host.budget = budget;
  known.host.peer_known = true;
  first.session->receive(post);
  ASSERT_EQ(first.requests.size(), 1u);
  second.session->receive(post);
  EXPECT_EQ(second.requests.size(), 0u);
  std::string answer = second.sent();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 429 Too Many Requests\r\n")) << answer;
  EXPECT_NE(answer.find("retry-after: 1\r\n"), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\nToo many requests, please try again later.\n")) << answer;
  EXPECT_TRUE(second.session->finished()) << "the rest of the body cannot be told from a request";
  known.session->receive(post);
  EXPECT_EQ(known.requests.size(), 1u);
  first.requests.clear();
  Driver third;
  third.host.budget = budget;
  third.session->receive(post);
  EXPECT_EQ(third.requests.size(), 1u) << "given back";
}

TEST(Http1Session, waits_are_named_and_begin_anew) {
  Driver d;
  EXPECT_EQ(d.session->waits_for(), SessionWait::kIdle);
  d.session->receive("GE");
  EXPECT_EQ(d.session->waits_for(), SessionWait::kRequestHead);
  uint64_t epoch = d.session->wait_epoch();
  d.session->receive(
      "T / HTTP/1.1\r\nHost: a\r\nX:");  // a head that trickles in has one time limit, not one for each byte
  EXPECT_EQ(d.session->wait_epoch(), epoch);
  d.session->receive(" y\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(d.session->waits_for(), SessionWait::kRequestBody);
  d.session->receive("ab");
  EXPECT_EQ(d.session->waits_for(), SessionWait::kNothing);
  d.sides[0]->respond(200, {}, make_buffer("x"));
  epoch = d.session->wait_epoch();
  d.sent();
  EXPECT_EQ(d.session->waits_for(), SessionWait::kIdle);
  EXPECT_NE(d.session->wait_epoch(), epoch);
}

TEST(Http1Session, every_method_reaches_the_handler) {
  struct Row {
    const char *name, *head, *method;
  };
  const Row rows[] = {
      {"unknown", "FOO /x?y=1 HTTP/1.1\r\n", "FOO"},
      {"cases differ", "get /x?y=1 HTTP/1.1\r\n", "get"},
      {"a longer one that begins like a known one", "GETTER /x?y=1 HTTP/1.1\r\n", "GETTER"},
      {"known", "PATCH /x?y=1 HTTP/1.1\r\n", "PATCH"},
      {"after empty lines", "\r\n\r\nFOO /x?y=1 HTTP/1.1\r\n", "FOO"},
  };
  for (const Row& row : rows) {
    for (size_t piece : {size_t{1}, size_t{4}, size_t{1000}}) {
      Driver d;
      std::string bytes = cat(row.head, "Host: a\r\nContent-Length: 2\r\n\r\nab");
      for (size_t at = 0; at < bytes.size(); at += piece) d.session->receive(bytes.substr(at, piece));
      ASSERT_EQ(d.requests.size(), 1u) << row.name;
      EXPECT_EQ(d.requests[0]->method, row.method) << row.name;
      EXPECT_EQ(d.requests[0]->path, "/x") << row.name;
      EXPECT_EQ(d.requests[0]->body, "ab") << row.name;
      // The next one on the connection is read anew.
      d.sides[0]->respond(405, {}, make_buffer("x"));
      d.sent();
      d.session->receive(kGet);
      ASSERT_EQ(d.requests.size(), 2u) << row.name;
      EXPECT_EQ(d.requests[1]->method, "GET") << row.name;
    }
  }
}

TEST(Http1Session, empty_lines_do_not_begin_a_request) {
  Driver d;
  d.session->receive("\r\n");
  EXPECT_EQ(d.session->waits_for(), SessionWait::kIdle);
  d.session->receive(kGet);
  EXPECT_EQ(d.requests.size(), 1u);
}

TEST(Http1Session, a_slow_head_is_told_408_and_an_idle_connection_just_closed) {
  Driver slow;
  slow.session->receive("GET / HT");
  slow.session->timed_out();
  EXPECT_EQ(slow.sent().substr(0, 12), "HTTP/1.1 408");
  EXPECT_TRUE(slow.session->finished());
  Driver idle;
  idle.session->timed_out();
  EXPECT_EQ(idle.sent(), "");
  EXPECT_TRUE(idle.session->finished());
}

TEST(Http1Session, a_peer_that_sends_far_ahead_is_not_read) {
  Driver d;
  std::string many;
  while (many.size() < 2 * limits::kPipelinedBytesMax) many += kGet;
  d.session->receive(many);
  EXPECT_FALSE(d.session->wants_read());
  EXPECT_EQ(d.requests.size(), 1u);
  for (size_t i = 0; i < d.sides.size(); i++) {
    d.sides[i]->respond(204, {}, make_buffer(""));
    d.sent();
  }
  EXPECT_EQ(d.requests.size(), many.size() / (sizeof kGet - 1));
  EXPECT_TRUE(d.session->wants_read());
}

TEST(Http1Session, header_values_cannot_break_out) {
  Driver d;
  d.session->receive(kGet);
  std::vector<Header> headers;
  headers.push_back({"x", "y\r\nset-cookie: z"});
  headers.push_back({"bad name", "v"});
  headers.push_back({"content-length", "77"});
  d.sides[0]->respond(200, std::move(headers), make_buffer("body"));
  std::string out = d.sent();
  EXPECT_NE(out.find("x: y  set-cookie: z\r\n"), std::string::npos);
  EXPECT_EQ(out.find("bad name"), std::string::npos);
  EXPECT_EQ(out.find("77"), std::string::npos);
  EXPECT_NE(out.find("content-length: 4\r\n"), std::string::npos);
}

TEST(Http1Session, chunks_are_taken_only_as_fast_as_they_leave) {
  Driver d;
  d.session->receive(kGet);
  d.sides[0]->begin(200, {});
  Buffer chunk = make_buffer(std::string(10000, 'x'));
  for (int i = 0; i < 20; i++) {
    d.sides[0]->flow->ahead += chunk->size();
    d.sides[0]->chunk(chunk);
  }
  SendQueue queue;
  d.session->fill(&queue);
  EXPECT_LT(queue.bytes(), limits::kSendAheadBytesMax + 20000);
  EXPECT_GT(d.sides[0]->flow->ahead, 100000u);
  queue.consume(queue.bytes());
  d.session->fill(&queue);
  queue.consume(queue.bytes());
  d.session->fill(&queue);
  EXPECT_EQ(d.sides[0]->flow->ahead, 0u);
}

TEST(Http1Session, a_websocket_that_is_not_read_from_stops_the_peer) {
  Driver d;
  d.session->receive(kUpgrade);
  d.sides[0]->upgrade({}, ConnectionSide::Upgraded::kMessages);
  EXPECT_EQ(d.sent().substr(0, 12), "HTTP/1.1 101");
  std::string frame = websocket_masked_frame(WebSocketOpcode::kBinary, std::string(100000, 'x'), 1);
  int frames = 0;
  while (d.session->wants_read() && frames < 100) {
    d.session->receive(frame);
    frames++;
  }
  EXPECT_EQ(frames, 3);
  d.sides[0]->flow->unread = 0;  // the handler took them
  EXPECT_TRUE(d.sides[0]->flow->reader_waits.load());
  EXPECT_TRUE(d.session->wants_read());
}

TEST(Http1Session, a_flood_of_pings_is_answered_within_bounds) {
  Driver d;
  d.session->receive(kUpgrade);
  d.sides[0]->upgrade({}, ConnectionSide::Upgraded::kMessages);
  std::string ping = websocket_masked_frame(WebSocketOpcode::kPing, std::string(125, 'p'), 1);
  for (int i = 0; i < 10000; i++) d.session->receive(ping);
  EXPECT_LT(d.sent().size(), 2 * limits::kSendAheadBytesMax);
}

TEST(Http1Session, each_websocket_message_leaves_by_itself) {
  Driver d;
  d.session->receive(kUpgrade);
  d.sides[0]->upgrade({}, ConnectionSide::Upgraded::kMessages);
  d.sides[0]->websocket_message(make_buffer("one"));
  d.sides[0]->websocket_message(make_buffer("two"));
  d.sides[0]->websocket_close(1000, "");
  std::vector<size_t> sizes;
  for (;;) {
    SendQueue queue;
    d.session->fill(&queue);
    if (queue.empty()) break;
    sizes.push_back(queue.bytes());
  }
  ASSERT_EQ(sizes.size(), 4u) << "the answer to the upgrade, two messages, the closing frame";
  EXPECT_EQ((std::vector<size_t>{sizes[1], sizes[2], sizes[3]}), (std::vector<size_t>{5, 5, 4}));
}

TEST(Http1Session, after_an_upgrade_to_spdy_bytes_go_as_they_are) {
  Driver d;
  d.session->receive("POST /exec HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n\r\n");
  ASSERT_EQ(d.sides.size(), 1u);
  d.sides[0]->upgrade({{"upgrade", "SPDY/3.1"}, {"connection", "Upgrade"}}, ConnectionSide::Upgraded::kBytes);
  EXPECT_EQ(d.sent().substr(0, 12), "HTTP/1.1 101");
  d.session->receive("from the client");
  EXPECT_EQ(d.sides[0]->flow->unread.load(), 15u);
  d.sides[0]->websocket_message(make_buffer("to the client"));
  d.sides[0]->websocket_close(1000, "");
  EXPECT_EQ(d.sent(), "to the client");
  EXPECT_TRUE(d.session->finished());
}

TEST(Http1Session, closing_waits_for_the_peer_for_a_while_after_the_messages) {
  Driver d;
  d.session->receive(kUpgrade);
  d.sides[0]->upgrade({}, ConnectionSide::Upgraded::kMessages);
  d.sides[0]->websocket_message(make_buffer("last"));
  d.sides[0]->websocket_close(1000, "done");
  std::string out = d.sent();
  size_t message = out.find(websocket_frame_head(WebSocketOpcode::kBinary, 4) + "last");
  size_t close = out.find(websocket_frame_head(WebSocketOpcode::kClose, 6));
  ASSERT_NE(message, std::string::npos);
  ASSERT_NE(close, std::string::npos);
  EXPECT_LT(message, close);
  EXPECT_EQ(d.session->waits_for(), SessionWait::kWebSocketClose);
  EXPECT_FALSE(d.session->finished());
  d.session->timed_out();
  EXPECT_TRUE(d.session->finished());
}

// Each step of an exchange may be the last: the session goes, and every call of the handler that comes afterwards is
// void.
TEST(Http1Session, may_end_after_every_step_of_an_exchange) {
  using Step = std::function<void(Driver&)>;
  std::vector<Step> plain = {
      [](Driver& d) { d.session->receive("POST / HTTP/1.1\r\nHost: a\r\n"); },
      [](Driver& d) { d.session->receive("Content-Length: 4\r\n\r\nbo"); },
      [](Driver& d) { d.session->receive("dyGET /next HTTP/1.1\r\n"); },
      [](Driver& d) { d.sides[0]->begin(200, {}); },
      [](Driver& d) { d.sides[0]->chunk(make_buffer("chunk")); },
      [](Driver& d) { d.sent(); },
      [](Driver& d) { d.sides[0]->end(); },
      [](Driver& d) { d.sent(); },
      [](Driver& d) { d.session->receive("Host: a\r\n\r\n"); },
      [](Driver& d) { d.sides[1]->respond(200, {}, make_buffer("x")); },
  };
  std::vector<Step> socket = {
      [](Driver& d) { d.session->receive(kUpgrade); },
      [](Driver& d) { d.sides[0]->upgrade({}, ConnectionSide::Upgraded::kMessages); },
      [](Driver& d) { d.session->receive(websocket_masked_frame(WebSocketOpcode::kBinary, "in", 1)); },
      [](Driver& d) { d.sides[0]->websocket_message(make_buffer("out")); },
      [](Driver& d) { d.sent(); },
      [](Driver& d) { d.sides[0]->websocket_close(1000, ""); },
      [](Driver& d) { d.session->receive(websocket_masked_frame(WebSocketOpcode::kClose, "", 1)); },
  };
  std::vector<Step> ends = {
      [](Driver& d) { d.session.reset(); },
      [](Driver& d) { d.session->peer_finished(); },
      [](Driver& d) { d.session->timed_out(); },
      [](Driver& d) { d.session->say_goodbye(); },
      [](Driver& d) {
        if (!d.sides.empty()) d.sides[0]->abort();
      },
  };
  for (auto* steps : {&plain, &socket}) {
    for (size_t last = 0; last <= steps->size(); last++) {
      for (auto& end : ends) {
        Driver d;
        for (size_t i = 0; i < last; i++) (*steps)[i](d);
        end(d);
        for (auto& s : d.sides) {
          s->chunk(make_buffer("late"));
          s->end();
          s->abort();
          s->websocket_message(make_buffer("late"));
          s->websocket_close(1000, "late");
          s->websocket_room();
        }
        if (d.session) d.sent();
      }
    }
  }
}

}  // namespace
}  // namespace bramble

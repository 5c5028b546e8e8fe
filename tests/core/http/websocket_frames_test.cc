#include "core/http/websocket_frames.h"

#include <gtest/gtest.h>

#include "core/base/strings.h"

namespace bramble {
namespace {

struct Fed {
  std::vector<WebSocketEvent> events;
  int error = 0;
};
Fed feed(bool from_client, std::string_view bytes, size_t step, size_t max = 100000) {
  Fed out;
  WebSocketDecoder decoder(from_client, max);
  std::function<bool(WebSocketEvent)> take = [&](WebSocketEvent e) {
    bool go_on = e.kind != WebSocketOpcode::kClose;
    out.events.push_back(std::move(e));
    return go_on;
  };
  for (size_t at = 0; at < bytes.size() && !out.error; at += step)
    out.error = decoder.feed(bytes.substr(at, step), take);
  return out;
}

// RFC 6455 section 5.7.
TEST(WebSocketFrames, reads_the_examples_of_the_rfc) {
  std::string hello = *unhex("818537fa213d7f9f4d5158");
  std::string fragments = *unhex("010348656c80026c6f");
  for (size_t step : {1, 2, 3, 100}) {
    Fed a = feed(true, hello, step);
    ASSERT_EQ(a.events.size(), 1u);
    EXPECT_EQ(a.events[0].kind, WebSocketOpcode::kText);
    EXPECT_EQ(a.events[0].data, "Hello");
    Fed b = feed(false, fragments, step);
    ASSERT_EQ(b.events.size(), 1u);
    EXPECT_EQ(b.events[0].data, "Hello");
  }
  EXPECT_EQ(websocket_accept_value("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(WebSocketFrames, what_is_written_is_read_again_at_every_size) {
  for (size_t n : {0, 1, 125, 126, 127, 65535, 65536, 99999}) {
    std::string payload(n, 'p');
    if (n) payload[n / 2] = '\xff';
    for (size_t step : {1, 7, 200000}) {
      Fed client = feed(true, websocket_masked_frame(WebSocketOpcode::kBinary, payload, 0x12345678), step);
      ASSERT_EQ(client.events.size(), 1u) << n;
      EXPECT_EQ(client.events[0].data, payload) << n;
      Fed server = feed(false, websocket_frame_head(WebSocketOpcode::kBinary, n) + payload, step);
      ASSERT_EQ(server.events.size(), 1u) << n;
      EXPECT_EQ(server.events[0].data, payload) << n;
    }
  }
}

TEST(WebSocketFrames, control_frames_may_stand_between_fragments) {
  std::string bytes = *unhex("0203616263") + *unhex("89026869") + *unhex("8003646566");
  Fed f = feed(false, bytes, 1);
  ASSERT_EQ(f.events.size(), 2u);
  EXPECT_EQ(f.events[0].kind, WebSocketOpcode::kPing);
  EXPECT_EQ(f.events[0].data, "hi");
  EXPECT_EQ(f.events[1].data, "abcdef");
}

TEST(WebSocketFrames, refuses_what_breaks_the_protocol) {
  struct Row {
    const char* name;
    bool from_client;
    const char* bytes;
    int error;
  } rows[] = {
      {"unmasked from a client", true, "820161", 1002},
      {"masked from a server", false, "82810000000061", 1002},
      {"reserved bit", false, "c20161", 1002},
      {"unknown opcode", false, "830161", 1002},
      {"fragmented control", false, "090161", 1002},
      {"long control", false, "897e00ff", 1002},
      {"continuation of nothing", false, "800161", 1002},
      {"a new message inside another", false, "020161820162", 1002},
      {"close with one byte", false, "880103", 1002},
      {"close with a reserved code", false, "880203ed", 1002},
      {"close with bad text", false, "880403e8ff80", 1007},
      {"text that is not UTF-8", false, "8102ff80", 1007},
      {"too big", false, "827f0000000100000000", 1009},
      {"too big in sum", false, "027effff", 0},
  };
  for (auto& r : rows) EXPECT_EQ(feed(r.from_client, *unhex(r.bytes), 1).error, r.error) << r.name;
  std::string sum = websocket_frame_head(WebSocketOpcode::kBinary, 60000) + std::string(60000, 'x');
  sum[0] = 0x02;  // a first fragment
  std::string rest = websocket_frame_head(WebSocketOpcode::kContinuation, 60000);
  EXPECT_EQ(feed(false, sum + rest, 1000).error, 1009);
}

TEST(WebSocketFrames, close_carries_code_and_reason) {
  std::string payload = websocket_close_payload(1001, "server stops");
  Fed f = feed(false, websocket_frame_head(WebSocketOpcode::kClose, payload.size()) + payload, 1);
  ASSERT_EQ(f.events.size(), 1u);
  EXPECT_EQ(f.events[0].close_code, 1001);
  EXPECT_EQ(f.events[0].data, "server stops");
  EXPECT_EQ(feed(false, *unhex("8800"), 1).events[0].close_code, 1005);
  EXPECT_LE(websocket_close_payload(1000, std::string(500, 'r')).size(), 125u);
}

}  // namespace
}  // namespace bramble

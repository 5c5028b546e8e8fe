#include "core/http/spdy.h"

#include <gtest/gtest.h>

#include "core/base/strings.h"

namespace bramble {
namespace {

TEST(Spdy, headers_and_data_survive_any_cutting) {
  SpdyCodec sender;
  std::string bytes = sender.syn_stream(1, {{"StreamType", "error"}, {"port", "8080"}}, false);
  bytes += sender.syn_stream(3, {{"streamtype", "data"}, {"port", "8080"}}, true);
  bytes += SpdyCodec::data(3, "hello", false) + SpdyCodec::data(3, "", true) + SpdyCodec::ping(5) + SpdyCodec::rst_stream(1, 3);
  for (size_t step : {1u, 2u, 7u, 64u, 4096u}) {
    SpdyCodec receiver;
    std::vector<SpdyFrame> all;
    for (size_t at = 0; at < bytes.size(); at += step) {
      auto frames = receiver.feed(std::string_view(bytes).substr(at, step));
      ASSERT_TRUE(frames.ok()) << step;
      for (SpdyFrame& f : *frames) all.push_back(std::move(f));
    }
    ASSERT_EQ(all.size(), 6u) << step;
    EXPECT_EQ(all[0].header("streamtype"), "error");
    EXPECT_EQ(all[1].stream, 3u);
    EXPECT_TRUE(all[1].fin);
    EXPECT_EQ(all[2].data, "hello");
    EXPECT_TRUE(all[3].fin);
    EXPECT_EQ(all[4].number, 5u);
    EXPECT_EQ(all[5].type, SpdyFrame::Type::kRstStream);
  }
}

// A stream as draft-mbelshe-httpbis-spdy-00 section 2.6.10 begins it: zlib with the dictionary of id e3c6a7c2.
TEST(Spdy, header_blocks_name_the_dictionary) {
  SpdyCodec sender;
  std::string frame = sender.syn_stream(1, {{"a", "b"}}, false);
  EXPECT_EQ(hex(std::string_view(frame).substr(20, 4)), "e3c6a7c2");
}

TEST(Spdy, broken_frames_are_refused) {
  struct Row {
    const char* name;
    std::string bytes;
  };
  for (const Row& row : {Row{"another version", std::string("\x80\x02\x00\x01\x00\x00\x00\x00", 8)},
                         Row{"short", std::string("\x80\x03\x00\x01\x00\x00\x00\x02xx", 10)},
                         Row{"garbage for headers", std::string("\x80\x03\x00\x01\x00\x00\x00\x0e\0\0\0\1\0\0\0\0\0\0zzzz", 22)},
                         Row{"huge", std::string("\0\0\0\1\0\xff\xff\xff", 8)}}) {
    SpdyCodec codec;
    EXPECT_FALSE(codec.feed(row.bytes).ok()) << row.name;
  }
}

}  // namespace
}  // namespace bramble

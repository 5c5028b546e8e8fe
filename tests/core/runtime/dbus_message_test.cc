// D-Bus messages as bytes: of real ones, of those that lie.
#include "core/runtime/dbus_message.h"

#include <gtest/gtest.h>

namespace bramble {
namespace {

DbusMessage example() {
  DbusMessage m;
  m.type = DbusMessage::kSignal;
  m.serial = 7;
  m.path = "/org/freedesktop/login1";
  m.interface = "org.freedesktop.login1.Manager";
  m.member = "PrepareForShutdown";
  m.sender = "";
  m.signature = "b";
  m.body = DbusWriter().u32(1).take();
  return m;
}

TEST(DbusMessages, are_read_as_they_were_written) {
  DbusMessage call;
  call.serial = 3;
  call.path = "/a";
  call.destination = "b.c";
  call.member = "D";
  call.signature = "ss";
  call.body = DbusWriter().text("x").text("yz").take();
  DbusMessage reply;
  reply.type = DbusMessage::kReply;
  reply.serial = 4;
  reply.reply_to = 3;
  reply.descriptors = 1;
  reply.signature = "h";
  reply.body = DbusWriter().u32(0).take();
  for (const DbusMessage& m : {example(), call, reply}) {
    const std::string bytes = m.bytes();
    auto size = DbusMessage::size(bytes);
    ASSERT_TRUE(size.ok());
    EXPECT_EQ(**size, bytes.size());
    auto read = DbusMessage::parse(bytes);
    ASSERT_TRUE(read.ok()) << read.error().message();
    EXPECT_EQ(read->type, m.type);
    EXPECT_EQ(read->serial, m.serial);
    EXPECT_EQ(read->reply_to, m.reply_to);
    EXPECT_EQ(read->descriptors, m.descriptors);
    EXPECT_EQ(read->path, m.path);
    EXPECT_EQ(read->member, m.member);
    EXPECT_EQ(read->destination, m.destination);
    EXPECT_EQ(read->signature, m.signature);
    EXPECT_EQ(read->body, m.body);
  }
  DbusReader body(call.body);
  EXPECT_EQ(body.text(), "x");
  EXPECT_EQ(body.text(), "yz");
  EXPECT_FALSE(body.u32());
}

TEST(DbusMessages, that_are_cut_or_changed_are_refused_or_harmless) {
  const std::string bytes = example().bytes();
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(DbusMessage::parse(std::string_view(bytes).substr(0, n)).ok()) << n;
    for (int change : {1, 0x7f, 0x80, 0xff}) {
      std::string other = bytes;
      other[n] = static_cast<char>(other[n] ^ change);
      auto read = DbusMessage::parse(other);
      if (read.ok()) {
        EXPECT_LE(read->body.size(), other.size());
      }
    }
  }
  std::string big = bytes;
  big[5] = big[6] = '\x7f';
  EXPECT_EQ(DbusMessage::size(big).error().code(), Code::kTooLarge);
  EXPECT_FALSE(DbusMessage::size(std::string(16, 'B')).ok());
  EXPECT_FALSE(DbusMessage::size("l\1")->has_value());
}

}  // namespace
}  // namespace bramble

#include "core/crypto/hash.h"

#include <gtest/gtest.h>

#include "core/base/strings.h"

namespace bramble {
namespace {

// FIPS 180-4 examples and RFC 4231 test case 2.
TEST(Hash, known_answers) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha1("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Hash, pieces_give_the_same_as_the_whole) {
  Sha256 h;
  h.update("a");
  h.update("");
  Sha256 moved = std::move(h);
  moved.update("bc");
  EXPECT_EQ(moved.finish_hex(), sha256_hex("abc"));
}

// Sha256 takes the processor's instructions where it has them; sha256() is the library's.
TEST(Hash, instructions_of_the_processor_give_what_the_library_gives) {
  std::string text;
  for (uint32_t x = 1; text.size() < 1000; x = x * 1664525 + 1013904223) text.push_back(static_cast<char>(x >> 24));
  for (size_t n = 0; n < 400; n++) {
    Sha256 whole, pieces;
    whole.update(std::string_view(text).substr(0, n));
    for (size_t at = 0, step = 1; at < n; at += step, step = step * 7 % 61 + 1) pieces.update(std::string_view(text).substr(at, std::min(step, n - at)));
    std::string want = sha256_hex(std::string_view(text).substr(0, n));
    EXPECT_EQ(whole.finish_hex(), want) << n;
    EXPECT_EQ(pieces.finish_hex(), want) << n;
  }
  Sha256 million;  // FIPS 180-4, the third example
  for (int i = 0; i < 1000; i++) million.update(std::string(1000, 'a'));
  EXPECT_EQ(million.finish_hex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Hash, constant_time_equal_compares) {
  EXPECT_TRUE(constant_time_equal("abc", "abc"));
  EXPECT_FALSE(constant_time_equal("abc", "abd"));
  EXPECT_FALSE(constant_time_equal("abc", "ab"));
}

}  // namespace
}  // namespace bramble

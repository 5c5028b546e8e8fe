#include "core/crypto/aead.h"

#include <gtest/gtest.h>

namespace bramble {
namespace {

TEST(Sealed, opens_with_the_same_key_and_name_alone) {
  const std::string key(kSealKeyBytes, 'k'), other(kSealKeyBytes, 'o');
  for (const std::string& content : {std::string(), std::string("a secret"), std::string(100000, '\0')}) {
    std::string sealed = seal(key, "name", content);
    EXPECT_EQ(sealed.size(), content.size() + 28);
    EXPECT_EQ(open_sealed(key, "name", sealed), content);
    EXPECT_FALSE(open_sealed(other, "name", sealed));
    EXPECT_FALSE(open_sealed(key, "another name", sealed));
    for (size_t at : {size_t(0), sealed.size() / 2, sealed.size() - 1}) {
      std::string damaged = sealed;
      damaged[at] = static_cast<char>(damaged[at] ^ 1);
      EXPECT_FALSE(open_sealed(key, "name", damaged)) << at;
    }
    EXPECT_FALSE(open_sealed(key, "name", sealed.substr(1)));
  }
  EXPECT_FALSE(open_sealed(key, "name", ""));
  EXPECT_FALSE(open_sealed(key, "name", std::string(27, 'x')));
}

// So that a write that changes nothing is seen to change nothing.
TEST(Sealed, the_same_is_sealed_to_the_same_and_nothing_else_is) {
  const std::string key(kSealKeyBytes, 'k');
  EXPECT_EQ(seal(key, "a", "bc"), seal(key, "a", "bc"));
  EXPECT_NE(seal(key, "a", "bc").substr(0, 12), seal(key, "ab", "c").substr(0, 12)) << "no nonce twice";
  EXPECT_NE(seal(key, "a", "bc").substr(0, 12), seal(key, "a", "bd").substr(0, 12));
  EXPECT_EQ(seal(key, "a", "a secret").find("secret"), std::string::npos);
}

}  // namespace
}  // namespace bramble

// The file of keys.
#include "core/app/secrets_encryption.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "core/base/files.h"

namespace bramble {
namespace {

TEST(SealKeyFile, is_made_when_asked_for_and_read_again) {
  char folder[] = "/tmp/bramble-seal-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string dir = folder, path = dir + "/server/cred/encryption-config.json";
  FakeClock clock;
  SeededRandom random{3};
  auto none = load_seal_keys(dir, false, random, clock);
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->seals);
  EXPECT_FALSE(path_exists(path));
  auto made = load_seal_keys(dir, true, random, clock);
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_TRUE(made->seals);
  auto again = load_seal_keys(dir, false, random, clock);
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_TRUE(again->seals) << "the file counts, with the flag or without";
  ASSERT_EQ(again->keys.size(), 1u);
  EXPECT_EQ(again->keys[0].bytes, made->keys[0].bytes);
  again->seals = false;
  ASSERT_TRUE(store_seal_keys(dir, *again).ok());
  auto off = load_seal_keys(dir, true, random, clock);
  ASSERT_TRUE(off.ok());
  EXPECT_FALSE(off->seals) << "disabled by command";
  EXPECT_EQ(off->keys.size(), 1u) << "what is sealed can still be opened";
  struct Case {
    const char* name;
    const char* text;
  };
  const Case bad[] = {{"torn", "{"},
                      {"empty", "{}"},
                      {"another provider", R"({"resources":[{"providers":[{"kms":{}}]}]})"},
                      {"a short key", R"({"resources":[{"providers":[{"aesgcm":{"keys":[{"name":"a","secret":"YWE="}]}}]}]})"},
                      {"a name with a colon", R"({"resources":[{"providers":[{"aesgcm":{"keys":[{"name":"a:b","secret":"a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="}]}}]}]})"}};
  for (const Case& c : bad) {
    ASSERT_TRUE(replace_file_durably(path, c.text, 0600).ok());
    auto read = load_seal_keys(dir, true, random, clock);
    ASSERT_FALSE(read.ok()) << c.name;
    EXPECT_NE(read.error().message().find(path), std::string::npos);
  }
  EXPECT_EQ(system(cat("rm -rf ", dir).c_str()), 0);
}

}  // namespace
}  // namespace bramble

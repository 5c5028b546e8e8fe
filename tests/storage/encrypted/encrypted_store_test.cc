// Values under a prefix, sealed below and open above.
#include "storage/encrypted/encrypted_store.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "storage/memory/memory_store.h"

namespace bramble {
namespace {

const SealKey kOld{"old", std::string(32, 'o')}, kNew{"new", std::string(32, 'n')};

class SealedValues : public testing::Test {
 protected:
  void open(SealKeys keys) {
    inner_ = std::make_unique<MemoryStore>(clock_, disk_);
    store_ = std::make_unique<EncryptedStore>(*inner_, "/registry/secrets/", std::move(keys));
    seen_.clear();
    store_->on_commit([this](const std::vector<Commit>& commits) {
      for (const Commit& c : commits) seen_.push_back(cat(c.key, "=", c.value ? *c.value : "-"));
    });
    ASSERT_TRUE(store_->load([this](StoredValue v) { seen_.push_back(cat(v.key, "=", *v.value)); }).ok());
  }
  void put(const std::string& key, const std::string& value) {
    auto done = std::make_shared<bool>(false);
    tasks_.start(put_task(store_.get(), key, value, done));
    ASSERT_TRUE(*done) << key;
  }
  static Task<void> put_task(EncryptedStore* store, std::string key, std::string value, std::shared_ptr<bool> done) {
    std::function<Buffer(uint64_t)> make = [value](uint64_t) { return make_buffer(value); };
    Task<Result<uint64_t>> putting = store->put(key, store->latest(key), Durability::kDurable, std::move(make));
    auto put = co_await putting;
    *done = put.ok();
  }
  std::string on_disk() {
    std::string out;
    MemoryStore raw(clock_, disk_);
    EXPECT_TRUE(raw.load([&](StoredValue v) { out += cat(v.key, "=", *v.value, "\n"); }).ok());
    return out;
  }

  FakeClock clock_;
  std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>();
  std::unique_ptr<MemoryStore> inner_;
  std::unique_ptr<EncryptedStore> store_;
  std::vector<std::string> seen_;
  TaskGroup tasks_;
};

TEST_F(SealedValues, are_open_above_and_sealed_below) {
  open({true, {kOld}});
  put("/registry/secrets/ns/a", "hidden");
  put("/registry/configmaps/ns/a", "shown");
  EXPECT_EQ(seen_, (std::vector<std::string>{"/registry/secrets/ns/a=hidden", "/registry/configmaps/ns/a=shown"}));
  EXPECT_EQ(on_disk().find("hidden"), std::string::npos);
  EXPECT_NE(on_disk().find("/registry/secrets/ns/a=k8s:enc:aesgcm:v1:old:"), std::string::npos);
  EXPECT_NE(on_disk().find("/registry/configmaps/ns/a=shown"), std::string::npos);
  open({true, {kNew, kOld}});
  EXPECT_EQ(seen_.size(), 2u);
  EXPECT_NE(std::find(seen_.begin(), seen_.end(), "/registry/secrets/ns/a=hidden"), seen_.end());
  EXPECT_EQ(store_->form_of("/registry/secrets/ns/a"), "old");
  put("/registry/secrets/ns/a", "hidden too");
  EXPECT_EQ(store_->form_of("/registry/secrets/ns/a"), "new");
  EXPECT_EQ(store_->forms(), (std::map<std::string, size_t>{{"new", 1}}));
}

TEST_F(SealedValues, without_their_key_stay_as_they_are) {
  open({true, {kOld}});
  put("/registry/secrets/ns/a", "hidden");
  open({true, {kNew}});
  ASSERT_EQ(seen_.size(), 1u);
  EXPECT_TRUE(seen_[0].starts_with("/registry/secrets/ns/a=k8s:enc:aesgcm:v1:old:")) << "nobody above can read it";
  open({true, {{"old", std::string(32, 'x')}}});
  EXPECT_TRUE(seen_[0].starts_with("/registry/secrets/ns/a=k8s:enc:")) << "nor with another key of that name";
  open({true, {kOld}});
  EXPECT_EQ(seen_[0], "/registry/secrets/ns/a=hidden") << "it is still there";
}

TEST_F(SealedValues, of_before_stay_open_until_they_are_written) {
  open({false, {}});
  put("/registry/secrets/ns/a", "one");
  open({true, {kOld}});
  EXPECT_EQ(seen_[0], "/registry/secrets/ns/a=one");
  EXPECT_EQ(store_->form_of("/registry/secrets/ns/a"), "");
  put("/registry/secrets/ns/a", "two");
  EXPECT_EQ(on_disk().find("two"), std::string::npos);
  store_->use({false, {kOld}});
  put("/registry/secrets/ns/a", "three");
  EXPECT_NE(on_disk().find("=three"), std::string::npos);
}

}  // namespace
}  // namespace bramble

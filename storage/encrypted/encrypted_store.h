// EncryptedStore: a Store whose values under one prefix are sealed on the disk (core/crypto/aead.h) and open above it. The first of
// its keys seals, all of them open; without one, values are written as they are. What cannot be opened is shown as it is: nobody
// above can read it, and it is left alone. Everything else is the inner store's. Owner's loop thread. Form of a sealed value: k8s:enc:aesgcm:v1:KEY NAME:BYTES.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "storage/store.h"

namespace bramble {

struct SealKey {
  std::string name;   // without ':'
  std::string bytes;  // 32
};

struct SealKeys {
  bool seals = false;  // whether new values are sealed, with the first key
  std::vector<SealKey> keys;
};

class EncryptedStore final : public Store {
 public:
  // inner must outlive it.
  EncryptedStore(Store& inner, std::string prefix, SealKeys keys) : inner_(inner), prefix_(std::move(prefix)), keys_(std::move(keys)) {}

  // From now on. Values that stand keep their form until they are written again.
  void use(SealKeys keys) { keys_ = std::move(keys); }
  const SealKeys& keys() const { return keys_; }
  // Of the values as they stand, by the name of the key that sealed them; "" those that are open.
  const std::map<std::string, size_t>& forms() const { return counts_; }
  const std::string& form_of(const std::string& key) const;

  Status load(std::function<void(StoredValue)> each) override;
  Task<Result<uint64_t>> put(std::string key, uint64_t expected, Durability durability, std::function<Buffer(uint64_t revision)> make) override;
  Task<Result<uint64_t>> remove(std::string key, uint64_t expected, Durability durability) override { return inner_.remove(std::move(key), expected, durability); }
  void on_commit(std::function<void(const std::vector<Commit>&)> observer) override;
  uint64_t revision() const override { return inner_.revision(); }
  uint64_t latest(std::string_view key) const override { return inner_.latest(key); }
  const Health& health() const override { return inner_.health(); }
  Task<Status> confirm_epoch() override { return inner_.confirm_epoch(); }
  Task<Status> flush() override { return inner_.flush(); }
  Task<Status> close() override { return inner_.close(); }

 private:
  bool is_ours(std::string_view key) const { return key.starts_with(prefix_); }
  // The value open; as it is when it cannot be.
  Buffer opened(const std::string& key, const Buffer& value) const;
  void note(const std::string& key, const Buffer& value);

  Store& inner_;
  std::string prefix_;
  SealKeys keys_;
  std::map<std::string, std::string> forms_;  // by key of the store
  std::map<std::string, size_t> counts_;
};

}  // namespace bramble

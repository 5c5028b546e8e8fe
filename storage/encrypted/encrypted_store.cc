#include "storage/encrypted/encrypted_store.h"

#include "core/base/strings.h"
#include "core/crypto/aead.h"

namespace bramble {
namespace {

constexpr std::string_view kMark = "k8s:enc:aesgcm:v1:";

// The name of the key that sealed a value; "" of an open one.
std::string_view sealed_by(std::string_view value) {
  if (!value.starts_with(kMark)) return {};
  value.remove_prefix(kMark.size());
  size_t end = value.find(':');
  return end == std::string_view::npos ? std::string_view() : value.substr(0, end);
}

}  // namespace

const std::string& EncryptedStore::form_of(const std::string& key) const {
  static const std::string kOpen;
  auto it = forms_.find(key);
  return it == forms_.end() ? kOpen : it->second;
}

void EncryptedStore::note(const std::string& key, const Buffer& value) {
  auto was = forms_.find(key);
  if (was != forms_.end()) {
    if (--counts_[was->second] == 0) counts_.erase(was->second);
    forms_.erase(was);
  }
  if (!value) return;
  std::string form(sealed_by(*value));
  counts_[form]++;
  forms_[key] = std::move(form);
}

Buffer EncryptedStore::opened(const std::string& key, const Buffer& value) const {
  if (!value || !value->starts_with(kMark)) return value;
  std::string_view name = sealed_by(*value), sealed = std::string_view(*value).substr(kMark.size() + name.size() + 1);
  for (const SealKey& k : keys_.keys) {
    if (k.name != name) continue;
    auto content = open_sealed(k.bytes, key, sealed);
    if (content) return make_buffer(std::move(*content));
  }
  return value;
}

Status EncryptedStore::load(std::function<void(StoredValue)> each) {
  return inner_.load([this, each](StoredValue v) {
    if (is_ours(v.key)) {
      note(v.key, v.value);
      v.value = opened(v.key, v.value);
    }
    each(std::move(v));
  });
}

Task<Result<uint64_t>> EncryptedStore::put(std::string key, uint64_t expected, Durability durability, std::function<Buffer(uint64_t revision)> make) {
  if (!is_ours(key) || !keys_.seals || keys_.keys.empty()) return inner_.put(std::move(key), expected, durability, std::move(make));
  std::function<Buffer(uint64_t)> make_sealed = [k = keys_.keys.front(), key, make = std::move(make)](uint64_t revision) {
    Buffer open = make(revision);
    return make_buffer(cat(kMark, k.name, ":", seal(k.bytes, key, *open)));
  };
  return inner_.put(std::move(key), expected, durability, std::move(make_sealed));
}

void EncryptedStore::on_commit(std::function<void(const std::vector<Commit>&)> observer) {
  inner_.on_commit([this, observer](const std::vector<Commit>& commits) {
    bool ours = false;
    for (const Commit& c : commits) ours = ours || is_ours(c.key);
    if (!ours) return observer(commits);
    std::vector<Commit> open = commits;
    for (Commit& c : open) {
      if (!is_ours(c.key)) continue;
      note(c.key, c.value);
      c.value = opened(c.key, c.value);
    }
    observer(open);
  });
}

}  // namespace bramble

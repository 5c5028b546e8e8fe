#include "core/dns/answer_cache.h"

#include <algorithm>

#include "core/base/strings.h"

namespace bramble {
namespace {

constexpr size_t kHeaderBytes = 12;

// The bytes of the question, name and all; 0: the message has no whole question.
size_t question_bytes(const std::string& m) {
  size_t at = kHeaderBytes;
  while (at < m.size() && m[at] != 0) {
    auto n = static_cast<unsigned char>(m[at]);
    if (n > 63) return 0;
    at += n + 1u;
  }
  return at + 5 <= m.size() ? at + 5 - kHeaderBytes : 0;
}

std::string key_of(const std::string& query) {
  size_t n = question_bytes(query);
  if (n == 0) return {};
  return query.substr(2, kHeaderBytes - 2) + lower(std::string_view(query).substr(kHeaderBytes, n - 4)) + query.substr(kHeaderBytes + n - 4);
}

}  // namespace

void AnswerCache::erase(std::map<std::string, Entry>::iterator it) {
  bytes_ -= it->first.size() + it->second.reply.size();
  order_.erase(it->second.used);
  entries_.erase(it);
}

std::optional<std::string> AnswerCache::find(const std::string& query, size_t bytes_max, int64_t now_us) {
  auto it = entries_.find(key_of(query));
  if (it == entries_.end()) return std::nullopt;
  Entry& e = it->second;
  if (now_us >= e.until_us) {
    erase(it);
    return std::nullopt;
  }
  if (e.reply.size() > bytes_max) return std::nullopt;
  order_.splice(order_.begin(), order_, e.used);
  std::string out = e.reply;
  size_t n = question_bytes(query);
  out.replace(0, 2, query, 0, 2);
  out.replace(kHeaderBytes, n, query, kHeaderBytes, n);
  auto older_s = static_cast<uint32_t>((now_us - e.put_us) / 1000000);
  for (size_t at : e.ttl_offsets) {
    uint32_t ttl = 0;
    for (size_t i = 0; i < 4; i++) ttl = ttl << 8 | static_cast<unsigned char>(out[at + i]);
    ttl -= std::min(ttl, older_s);
    for (size_t i = 4; i-- > 0; ttl >>= 8) out[at + i] = static_cast<char>(ttl & 255);
  }
  return out;
}

void AnswerCache::put(const std::string& query, const std::string& reply, int64_t now_us) {
  std::string key = key_of(query);
  size_t n = question_bytes(query);
  if (key.empty() || reply.size() > kAnswerBytesMax || question_bytes(reply) != n) return;
  if (lower(std::string_view(reply).substr(kHeaderBytes, n)) != lower(std::string_view(query).substr(kHeaderBytes, n))) return;
  auto parsed = parse_dns_reply(reply);
  if (!parsed || parsed->cut_short || (parsed->rcode != dns_rcode::kNoError && parsed->rcode != dns_rcode::kNameError)) return;
  bool negative = parsed->answer_count == 0;
  if (negative && !parsed->negative_ttl_s) return;
  int64_t ttl_s = negative ? *parsed->negative_ttl_s : parsed->ttl_s_min;
  if (ttl_s <= 0) return;
  if (auto old = entries_.find(key); old != entries_.end()) erase(old);
  bytes_ += key.size() + reply.size();
  order_.push_front(key);
  int64_t lives_us = std::min<int64_t>(ttl_s * 1000, kAnswerCacheMs) * 1000;
  entries_[key] = {reply, std::move(parsed->ttl_offsets), now_us, now_us + lives_us, order_.begin()};
  while (bytes_ > kAnswerCacheBytes) erase(entries_.find(order_.back()));
}

}  // namespace bramble

// Answers of other name servers: reading them, keeping them, giving them again.
#include "core/dns/answer_cache.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  auto reply = bramble::parse_dns_reply(bytes);
  if (!reply) return 0;
  for (size_t at : reply->ttl_offsets)
    if (at + 4 > size) __builtin_trap();
  for (const bramble::DnsRecord& r : reply->answers)
    if (r.data.empty() || r.data.size() > 255) __builtin_trap();
  bramble::AnswerCache cache;
  std::string query = bytes;  // its question is that of the answer
  cache.put(query, bytes, 0);
  auto again = cache.find(query, 65535, 1000000);
  if (again && again->size() != size) __builtin_trap();
  return 0;
}

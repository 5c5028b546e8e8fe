// Any bytes as a query: parsed or refused, and what is parsed can be answered within its size.
#include "core/base/check.h"
#include "core/dns/message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto query = bramble::parse_dns_query({reinterpret_cast<const char*>(data), size});
  if (!query.ok()) return 0;
  bramble::DnsAnswer answer;
  answer.answers.assign(50, {query->name, bramble::dns_type::kA, 5, std::string(4, 'a')});
  std::string reply = bramble::build_dns_answer(*query, answer, 512);
  CHECK(reply.size() <= 512, reply.size());
  return 0;
}

// AnswerCache: what servers outside of the cluster answered, for a while: at most as long as they allow and kAnswerCacheMs, in at most
// kAnswerCacheBytes; what was unused longest goes first. Also that a name is not there (RFC 2308). One thread; lost at a restart.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>

#include "core/dns/message.h"

namespace bramble {

class AnswerCache {
 public:
  static constexpr int64_t kAnswerCacheMs = 30 * 1000;        // as CoreDNS in k3s: what is wrong is soon right
  static constexpr size_t kAnswerCacheBytes = 512 * 1024;     // some 2,000 answers
  static constexpr size_t kAnswerBytesMax = 4096;             // a longer one is asked for again

  // The answer to this query message, with its id, the letters' case of its name, and times that have run on. Nothing: not known, or
  // longer than bytes_max.
  std::optional<std::string> find(const std::string& query, size_t bytes_max, int64_t now_us);
  void put(const std::string& query, const std::string& reply, int64_t now_us);
  size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    std::string reply;
    std::vector<size_t> ttl_offsets;
    int64_t put_us = 0, until_us = 0;
    std::list<std::string>::iterator used;
  };
  void erase(std::map<std::string, Entry>::iterator it);
  std::map<std::string, Entry> entries_;  // by the query without its id, the name in lower case
  std::list<std::string> order_;          // front: used last
  size_t bytes_ = 0;
};

}  // namespace bramble

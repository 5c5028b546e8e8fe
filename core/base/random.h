// Random: unpredictable bytes for logic, injected so that the simulation can seed it. RealRandom reads the kernel.
#pragma once

#include <cstdint>
#include <string>

namespace bramble {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(void* out, size_t bytes) = 0;
  uint64_t next_u64();
  uint64_t below(uint64_t limit);        // uniform in [0, limit); limit > 0
  std::string uuid();                    // RFC 4122 version 4, lower case
  std::string suffix(size_t characters); // Kubernetes name suffix alphabet "bcdfghjklmnpqrstvwxz2456789"
  std::string hex_token(size_t bytes);
};

class RealRandom final : public Random {
 public:
  void fill(void* out, size_t bytes) override;
};

// splitmix64 from a seed: the same run again in tests.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  void fill(void* out, size_t bytes) override;

 private:
  uint64_t state_;
};

}  // namespace bramble

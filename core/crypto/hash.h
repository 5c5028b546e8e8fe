// Hashes. Any thread; an object belongs to one caller.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace bramble {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  void update(std::string_view bytes);
  std::string finish();      // 32 raw bytes; the object is spent
  std::string finish_hex();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

std::string sha256(std::string_view bytes);      // raw
std::string sha256_hex(std::string_view bytes);
std::string sha1(std::string_view bytes);        // raw; for RFC 6455 alone
std::string hmac_sha256(std::string_view key, std::string_view bytes);
bool constant_time_equal(std::string_view a, std::string_view b);

}  // namespace bramble

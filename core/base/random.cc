#include "core/base/random.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "core/base/check.h"

namespace bramble {

uint64_t Random::next_u64() {
  uint64_t v;
  fill(&v, sizeof v);
  return v;
}

uint64_t Random::below(uint64_t limit) {
  CHECK(limit > 0, "limit");
  uint64_t threshold = (0 - limit) % limit;  // values under it would favour small results
  for (;;) {
    uint64_t v = next_u64();
    if (v >= threshold) return v % limit;
  }
}

std::string Random::uuid() {
  unsigned char b[16];
  fill(b, sizeof b);
  b[6] = static_cast<unsigned char>((b[6] & 0x0f) | 0x40);
  b[8] = static_cast<unsigned char>((b[8] & 0x3f) | 0x80);
  std::string h = hex(std::string_view(reinterpret_cast<char*>(b), sizeof b));
  return cat(h.substr(0, 8), "-", h.substr(8, 4), "-", h.substr(12, 4), "-", h.substr(16, 4), "-", h.substr(20));
}

std::string Random::suffix(size_t characters) {
  static constexpr char kAlphabet[] = "bcdfghjklmnpqrstvwxz2456789";
  std::string out;
  for (size_t i = 0; i < characters; i++) out.push_back(kAlphabet[below(sizeof kAlphabet - 1)]);
  return out;
}

std::string Random::hex_token(size_t bytes) {
  std::string raw(bytes, '\0');
  fill(raw.data(), bytes);
  return hex(raw);
}

static void fill_from_kernel(unsigned char* out, size_t bytes) {
  while (bytes > 0) {
    ssize_t n = getrandom(out, bytes, 0);
    if (n < 0) {
      CHECK(errno == EINTR, "getrandom errno ", errno);
      continue;
    }
    out += n;
    bytes -= static_cast<size_t>(n);
  }
}

// A uuid costs no call of the kernel of its own: each thread keeps some bytes, and forgets those it has given out.
void RealRandom::fill(void* out, size_t bytes) {
  static thread_local struct {
    unsigned char bytes[512];
    size_t left = 0;
  } kept;
  auto* to = static_cast<unsigned char*>(out);
  if (bytes > sizeof kept.bytes / 8) return fill_from_kernel(to, bytes);
  if (kept.left < bytes) {
    fill_from_kernel(kept.bytes, sizeof kept.bytes);
    kept.left = sizeof kept.bytes;
  }
  kept.left -= bytes;
  std::memcpy(to, kept.bytes + kept.left, bytes);
  explicit_bzero(kept.bytes + kept.left, bytes);
}

void SeededRandom::fill(void* out, size_t bytes) {
  auto* p = static_cast<char*>(out);
  while (bytes > 0) {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    size_t n = bytes < 8 ? bytes : 8;
    std::memcpy(p, &z, n);
    p += n;
    bytes -= n;
  }
}

}  // namespace bramble

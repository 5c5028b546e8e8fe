// The checksum of a row: XXH64 (xxhash specification 0.1.1, section "XXH64") over key, revision and value, so that a row
// that was moved, mixed with another or left from an older time is not taken for a good one. Pure, any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace bramble {

uint64_t xxh64(std::string_view bytes, uint64_t seed);
uint64_t row_sum(std::string_view key, uint64_t revision, std::string_view value);

}  // namespace bramble

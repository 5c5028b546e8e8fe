// SHA-256's compression by the processor's own instructions (FIPS 180-4 section 6.2.2; x86 SHA extensions, ARMv8 Cryptography
// Extension): some seven times as fast as C, and images are all hashed twice. Not for other rooms.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bramble {

using Sha256Blocks = void (*)(uint32_t state[8], const unsigned char* bytes, size_t blocks);

// Null: this processor has none.
Sha256Blocks sha256_blocks();

}  // namespace bramble

// Sealed bytes: AES-256-GCM (NIST SP 800-38D) with a nonce that is derived from what is sealed (as RFC 8452 does it, here by
// HMAC-SHA-256), so that no nonce comes twice for two contents, and the same content is sealed to the same bytes. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bramble {

constexpr size_t kSealKeyBytes = 32;

// `bound`: what the bytes belong to (their name); they open with the same alone. 28 bytes longer than the content.
std::string seal(std::string_view key, std::string_view bound, std::string_view content);
// Nothing when they were not sealed so with this key.
std::optional<std::string> open_sealed(std::string_view key, std::string_view bound, std::string_view sealed);

}  // namespace bramble

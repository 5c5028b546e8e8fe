// PEM blocks (RFC 1421's armour as certificates use it), found in a text the way Go's encoding/pem finds them: what is between
// blocks, and blocks that are broken, is passed over. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bramble {

struct PemBlock {
  std::string type;  // "CERTIFICATE"
  bool has_headers = false;
  std::string bytes;
};

// The next block; `text` becomes what follows it. Nothing when there is none.
std::optional<PemBlock> next_pem_block(std::string_view& text);

}  // namespace bramble

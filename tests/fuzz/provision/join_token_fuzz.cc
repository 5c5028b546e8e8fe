// Tokens that users type, and what an unknown server says of a request for a certificate.
#include <cstdint>
#include <string>

#include "core/base/check.h"
#include "provision/join/join_token.h"
#include "provision/join/server_link.h"

using namespace bramble;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto token = parse_join_token(text);
  if (token.ok()) {
    auto again = parse_join_token(token->text());
    CHECK(again.ok() && again->text() == token->text(), token->text());
    CHECK(token->bearer().find_first_of("\r\n") == std::string::npos, "a header in a token");
  }
  auto answer = Document::parse(text);
  if (answer.ok()) (void)decision_of(answer->root());
  return 0;
}

#include "core/crypto/pem.h"

#include "core/base/strings.h"

namespace bramble {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ", kEnd = "-----END ", kDashes = "-----";

bool starts_with(std::string_view text, std::string_view with) { return text.substr(0, with.size()) == with; }

// Up to the line's end, without the white space before it; `text` becomes what follows.
std::string_view take_line(std::string_view& text) {
  const size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r')) line.remove_suffix(1);
  return line;
}

// Where `what` begins a line.
size_t find_line(std::string_view text, std::string_view what) {
  if (starts_with(text, what)) return 0;
  const size_t at = text.find(cat("\n", what));
  return at == std::string_view::npos ? at : at + 1;
}

std::string without_space(std::string_view text) {
  std::string out;
  for (char c : text)
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') out += c;
  return out;
}

// The block whose first line has just been taken.
std::optional<PemBlock> read_block(std::string_view type, std::string_view& text) {
  PemBlock block;
  block.type = type;
  for (std::string_view rest = text; !rest.empty(); text = rest) {
    if (take_line(rest).find(':') == std::string_view::npos) break;
    block.has_headers = true;
  }
  const size_t end = find_line(text, kEnd);
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view after = text.substr(end + kEnd.size());
  if (!starts_with(after, cat(type, kDashes))) return std::nullopt;
  after.remove_prefix(type.size() + kDashes.size());
  if (!take_line(after).empty()) return std::nullopt;
  auto bytes = base64_decode(without_space(text.substr(0, end)));
  if (!bytes) return std::nullopt;
  block.bytes = std::move(*bytes);
  text = after;
  return block;
}

}  // namespace

std::optional<PemBlock> next_pem_block(std::string_view& text) {
  for (;;) {
    const size_t at = find_line(text, kBegin);
    if (at == std::string_view::npos) return std::nullopt;
    text.remove_prefix(at + kBegin.size());
    const std::string_view line = take_line(text);
    if (line.size() < kDashes.size() || line.substr(line.size() - kDashes.size()) != kDashes) continue;
    std::string_view rest = text;
    if (auto block = read_block(line.substr(0, line.size() - kDashes.size()), rest)) {
      text = rest;
      return block;
    }
  }
}

}  // namespace bramble

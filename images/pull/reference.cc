#include "images/pull/reference.h"

#include "core/base/strings.h"
#include "images/image_store.h"

namespace bramble {

bool valid_digest(std::string_view s) {
  if (!s.starts_with("sha256:") || s.size() != 7 + 64) return false;
  for (char c : s.substr(7))
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  return true;
}

std::string ImageReference::text() const {
  std::string out = name();
  if (!tag.empty()) out += ":" + tag;
  if (!digest.empty()) out += "@" + digest;
  return out;
}

Result<ImageReference> parse_reference(std::string_view name) {
  TRY_ASSIGN(std::string full, normalize_image_name(name));
  ImageReference out;
  std::string_view rest = full;
  if (auto parts = cut(rest, "@")) {
    out.digest = std::string(parts->second);
    rest = parts->first;
  }
  size_t slash = rest.find('/'), last = rest.rfind('/'), colon = rest.rfind(':');
  if (colon != std::string_view::npos && colon > last) {
    out.tag = std::string(rest.substr(colon + 1));
    rest = rest.substr(0, colon);
  }
  out.host = std::string(rest.substr(0, slash));
  out.repository = std::string(rest.substr(slash + 1));
  return out;
}

}  // namespace bramble

// Image names: the grammar of the distribution project's reference package, normalized as Docker does it.
#include "core/base/strings.h"
#include "images/image_store.h"

namespace bramble {
namespace {

Error unparsable(std::string_view name, std::string_view why) {
  return Error(Code::kInvalidArgument, cat("couldn't parse image name ", go_quote(name), ": ", why));
}

bool alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// path-component: alpha-numeric runs joined by one '.', one or two '_', or any number of '-'.
bool valid_component(std::string_view s) {
  if (s.empty() || !alnum(s.front()) || !alnum(s.back())) return false;
  for (size_t i = 0; i < s.size();) {
    if (alnum(s[i])) {
      i++;
      continue;
    }
    size_t run = i;
    while (run < s.size() && s[run] == s[i]) run++;
    size_t n = run - i;
    bool good = (s[i] == '.' && n == 1) || (s[i] == '_' && n <= 2) || s[i] == '-';
    if (!good || run >= s.size() || !alnum(s[run])) return false;
    i = run;
  }
  return true;
}

bool valid_tag(std::string_view s) {
  if (s.empty() || s.size() > 128 || s.front() == '.' || s.front() == '-') return false;
  for (char c : s)
    if (!alnum(c) && !(c >= 'A' && c <= 'Z') && c != '_' && c != '.' && c != '-') return false;
  return true;
}

bool valid_digest(std::string_view s) {
  if (!s.starts_with("sha256:") || s.size() != 7 + 64) return false;
  for (char c : s.substr(7))
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  return true;
}

bool valid_host(std::string_view s) {
  if (s.empty()) return false;
  for (char c : s)
    if (!alnum(c) && !(c >= 'A' && c <= 'Z') && c != '.' && c != '-' && c != ':' && c != '[' && c != ']') return false;
  return true;
}

}  // namespace

Result<std::string> normalize_image_name(std::string_view name) {
  if (name.empty()) return unparsable(name, "invalid reference format");
  std::string_view rest = name, digest, tag;
  if (auto parts = cut(rest, "@")) {
    rest = parts->first;
    digest = parts->second;
    if (!valid_digest(digest)) return unparsable(name, "invalid reference format");
  }
  size_t slash = rest.rfind('/');
  size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    if (!valid_tag(tag)) return unparsable(name, "invalid reference format");
  }
  std::string host = "docker.io", path(rest);
  size_t first = rest.find('/');
  if (first != std::string_view::npos) {
    std::string_view head = rest.substr(0, first);
    if (head.find_first_of(".:") != std::string_view::npos || head == "localhost" || lower(head) != head) {
      host = std::string(head);
      path = std::string(rest.substr(first + 1));
    }
  }
  if (host == "index.docker.io") host = "docker.io";
  if (host == "docker.io" && path.find('/') == std::string::npos) path = "library/" + path;
  if (lower(path) != path) return unparsable(name, "invalid reference format: repository name must be lowercase");
  if (!valid_host(host) || path.size() > 255) return unparsable(name, "invalid reference format");
  for (auto part : split(path, '/'))
    if (!valid_component(part)) return unparsable(name, "invalid reference format");
  std::string out = cat(host, "/", path);
  if (!tag.empty()) out += cat(":", tag);
  if (!digest.empty()) out += cat("@", digest);
  if (tag.empty() && digest.empty()) out += ":latest";
  return out;
}

}  // namespace bramble

#include "core/kubelet/pull_secrets.h"

#include <fnmatch.h>

#include "core/base/strings.h"

namespace bramble {
namespace {

constexpr std::string_view kDefaultRegistry = "index.docker.io";

struct Place {
  std::vector<std::string_view> parts;
  std::string_view port, path;
};

Place place_of(std::string_view text) {
  Place out;
  size_t slash = text.find('/');
  std::string_view host = text.substr(0, slash);
  if (slash != std::string_view::npos) out.path = text.substr(slash);
  size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) {
    out.port = host.substr(colon + 1);
    host = host.substr(0, colon);
  }
  out.parts = split(host, '.');
  return out;
}

// The image comes from Docker Hub, however it is written.
bool is_of_default_registry(std::string_view image) {
  auto parts = cut(image, "/");
  if (!parts) return !image.empty();
  if (parts->first.empty()) return false;
  if (parts->first == "docker.io" || parts->first == kDefaultRegistry) return true;
  return parts->first.find_first_of(".:") == std::string_view::npos;
}

}  // namespace

bool place_covers(std::string_view place, std::string_view image) {
  Place want = place_of(place), have = place_of(image);
  if (want.port != have.port || want.parts.size() != have.parts.size() || !have.path.starts_with(want.path)) return false;
  for (size_t i = 0; i < want.parts.size(); i++)
    if (fnmatch(std::string(want.parts[i]).c_str(), std::string(have.parts[i]).c_str(), 0) != 0) return false;
  return true;
}

void Keyring::add(Value secret) {
  std::string_view type = secret["type"].str();
  bool old = type == "kubernetes.io/dockercfg";
  if (!old && type != "kubernetes.io/dockerconfigjson") return;
  auto text = base64_decode(secret["data"][old ? ".dockercfg" : ".dockerconfigjson"].str());
  if (!text || text->empty()) return;
  auto parsed = Document::parse(*text);
  if (!parsed.ok()) return;
  Value entries = old ? parsed->root() : (*parsed)["auths"];
  for (auto [place, entry] : entries.members()) add_entry(place, entry);
}

void Keyring::add_entry(std::string_view place, Value entry) {
  RegistryCredential c;
  c.username = entry["username"].text();
  c.password = entry["password"].text();
  c.identity_token = entry["identitytoken"].text();
  if (std::string_view joined = entry["auth"].str(); !joined.empty()) {
    std::string padded(joined);
    while (padded.size() % 4) padded.push_back('=');
    auto plain = base64_decode(padded);
    auto pair = plain ? cut(*plain, ":") : std::nullopt;
    if (!pair) return;  // upstream refuses such an entry too
    c.username = std::string(pair->first);
    c.password = std::string(pair->second.substr(0, pair->second.find('\0')));
  }
  if (!c.identity_token.empty()) c.username.clear(), c.password.clear();
  if (c.empty()) return;
  if (auto rest = cut(place, "://"); rest && (rest->first == "https" || rest->first == "http")) place = rest->second;
  size_t slash = place.find('/');
  std::string_view path = slash == std::string_view::npos ? "" : place.substr(slash);
  if (path.starts_with("/v2/") || path.starts_with("/v1/")) path = path.substr(3);
  if (path == "/") path = "";
  by_place_[cat(place.substr(0, slash), path)].push_back(std::move(c));
}

std::vector<RegistryCredential> Keyring::find(std::string_view image) const {
  std::vector<RegistryCredential> out;
  for (const auto& [place, credentials] : by_place_)
    if (place_covers(place, image)) out.insert(out.end(), credentials.begin(), credentials.end());
  if (out.empty() && is_of_default_registry(image))
    if (auto it = by_place_.find(std::string(kDefaultRegistry)); it != by_place_.end()) return it->second;
  return out;
}

}  // namespace bramble

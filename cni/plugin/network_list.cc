#include "cni/plugin/network_list.h"

#include <algorithm>

#include "cni/netlink/rtnetlink.h"
#include "core/base/limits.h"
#include "core/base/limits_network.h"
#include "core/base/strings.h"

namespace bramble {
namespace {

constexpr std::string_view kVersions[] = {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};

int rank(std::string_view version) {
  auto at = std::find(std::begin(kVersions), std::end(kVersions), version);
  return at == std::end(kVersions) ? -1 : static_cast<int>(at - std::begin(kVersions));
}

Error wrong(std::string_view what, std::string_view why) { return Error(Code::kInvalidArgument, cat("error parsing configuration", what, ": ", why)); }

// "cniVersions" offers several: the newest that is spoken here.
Result<std::string> choose_version(Value list, std::string_view what) {
  std::string best = list["cniVersion"].text();
  for (Value v : list["cniVersions"].items())
    if (rank(v.str()) > rank(best)) best = v.text();
  if (best.empty()) best = "0.1.0";
  if (rank(best) < 0) return wrong(what, cat("unsupported CNI result version ", go_quote(best)));
  return best;
}

}  // namespace

bool known_cni_version(std::string_view version) { return rank(version) >= 0; }
bool cni_version_is_at_least(std::string_view version, std::string_view other) { return rank(version) >= rank(other); }

Result<NetworkList> parse_network_list(std::string_view text, bool single) {
  const std::string_view what = single ? "" : " list";
  if (text.size() > limits::kCniConfigBytesMax) return wrong(what, cat("longer than ", limits::kCniConfigBytesMax, " bytes"));
  auto parsed = Document::parse(text);
  if (!parsed.ok()) return wrong(what, parsed.error().message());
  const Document& d = *parsed;
  if (!d.root().is_object()) return wrong(what, "it is no object");
  NetworkList out;
  TRY_ASSIGN(out.version, choose_version(d.root(), what));
  if (!d["name"].exists() || d["name"].str().empty()) return wrong(what, "no name");
  out.name = d["name"].text();
  if (out.name.find('/') != std::string::npos || out.name.find('\0') != std::string::npos) return wrong(what, "invalid characters found in network name");
  out.no_gc = d["disableGC"].boolean();
  if (single) {
    if (d["type"].str().empty()) return wrong(what, "missing 'type'");
    out.plugins.push_back(d);
  } else {
    if (!d["plugins"].exists()) return wrong(what, "no 'plugins' key");
    for (Value plugin : d["plugins"].items()) {
      if (out.plugins.size() == limits::kCniPluginsMax) return wrong(what, cat("more than ", limits::kCniPluginsMax, " plugins"));
      if (plugin["type"].str().empty()) return wrong("", "missing 'type'");
      auto one = Document::parse(plugin.dump());
      if (!one.ok()) return wrong(what, one.error().message());
      out.plugins.push_back(std::move(*one));
    }
    if (out.plugins.empty()) return wrong(what, "no plugins in list");
  }
  for (const Document& plugin : out.plugins) {
    std::string_view type = plugin["type"].str();
    if (type.find('/') != std::string_view::npos || type.find('\0') != std::string_view::npos) return wrong("", cat("invalid plugin type ", go_quote(type)));
  }
  return out;
}

Result<std::vector<std::string>> addresses_of_result(const Document& result, std::string_view interface_name) {
  std::vector<IpPrefix> found;
  auto take = [&](std::string_view text) -> Status {
    auto address = IpPrefix::parse(text);
    if (!address) return Error(Code::kInvalidArgument, cat("CNI result: ", go_quote(text), " is not an address"));
    found.push_back(*address);
    return ok();
  };
  for (const char* old : {"ip4", "ip6"})  // versions 0.1 and 0.2
    if (result[old]["ip"].exists()) TRY(take(result[old]["ip"].str()));
  for (Value ip : result["ips"].items()) {
    if (ip["interface"].exists()) {
      int64_t at = ip["interface"].integer(-1);
      Value interface = at >= 0 ? result["interfaces"].item(static_cast<size_t>(at)) : Value();
      bool of_container = !interface["sandbox"].str().empty() && interface["name"].str() == interface_name;
      if (interface.exists() && !of_container) continue;
    }
    TRY(take(ip["address"].str()));
  }
  std::stable_sort(found.begin(), found.end(), [](const IpPrefix& a, const IpPrefix& b) { return !a.v6 && b.v6; });
  std::vector<std::string> out;
  for (const IpPrefix& p : found) out.push_back(p.address_text());
  return out;
}

std::string plugin_complaint(std::string_view out, std::string_view err, int exit_code) {
  auto said = Document::parse(out);
  if (said.ok() && !(*said)["msg"].str().empty()) {
    std::string_view details = (*said)["details"].str();
    return details.empty() ? (*said)["msg"].text() : cat((*said)["msg"].str(), "; ", details);
  }
  std::string_view words = trim(out).empty() ? trim(err) : trim(out);
  if (words.empty()) return cat("netplugin failed with no error message: exit status ", exit_code);
  return cat("netplugin failed: ", go_quote(words.substr(0, 1024)));
}

}  // namespace bramble

// Files of /etc/cni/net.d and what plugins answer: refused or whole.
#include <stddef.h>
#include <stdint.h>

#include "cni/netlink/rtnetlink.h"
#include "cni/plugin/network_list.h"
#include "core/base/check.h"

using namespace bramble;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  for (bool single : {false, true}) {
    auto list = parse_network_list(text, single);
    if (!list.ok()) continue;
    CHECK(!list->name.empty() && list->name.find('/') == std::string::npos, list->name);
    CHECK(known_cni_version(list->version) && !list->plugins.empty(), list->version);
    for (const Document& plugin : list->plugins) CHECK(!plugin["type"].str().empty() && plugin["type"].str().find('/') == std::string_view::npos, "type");
  }
  auto result = Document::parse(text);
  if (result.ok()) {
    auto addresses = addresses_of_result(*result, "eth0");
    if (addresses.ok())
      for (const std::string& a : *addresses) CHECK(IpPrefix::parse(a).has_value(), a);
  }
  (void)plugin_complaint(text, text, 1);
  return 0;
}

// What the files of /etc/cni/net.d and the plugins' answers say (CNI specification 1.1, sections 1 "Network configuration format" and
// 5 "Result types"). Error texts are libcni's. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/json/value.h"

namespace bramble {

struct NetworkList {
  std::string name, version;
  std::vector<Document> plugins;
  bool no_gc = false;  // "disableGC"
};

// A list (.conflist), or one plugin by itself (.conf, .json), which is a list of one.
Result<NetworkList> parse_network_list(std::string_view text, bool single);

// The versions that are spoken, oldest first.
bool known_cni_version(std::string_view version);
bool cni_version_is_at_least(std::string_view version, std::string_view other);

// The addresses that a result gives to an interface of the container (or to none in particular), as it orders them, IPv4 first.
Result<std::vector<std::string>> addresses_of_result(const Document& result, std::string_view interface_name);

// What a plugin that failed said on its standard output: "msg; details", or that it said nothing.
std::string plugin_complaint(std::string_view out, std::string_view err, int exit_code);

}  // namespace bramble

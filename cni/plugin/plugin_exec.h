// Running one CNI plugin (CNI specification 1.1, section 2 "Execution protocol"): found in the given folders, parameters in the
// environment, configuration on standard input. Blocking, for as long as the plugin takes, at most limits::kCniPluginMs; any thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/base/result.h"

namespace bramble {

struct PluginCall {
  std::string command;  // "ADD" "DEL" "CHECK" "STATUS" "GC" "VERSION"
  std::string type;     // the plugin's name
  std::vector<std::string> folders;
  std::string container_id, netns, interface_name, arguments;
  std::string config;   // JSON
};

// What it wrote to its standard output. kNotFound: no such plugin. Else its own words:
// `plugin type="bridge" failed (add): failed to ...`.
Result<std::string> run_plugin(const PluginCall& call);

}  // namespace bramble

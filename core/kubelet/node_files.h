// Small files of the node: base/files.h by the names that the kubelet's stages use. Blocking; any thread.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"

namespace bramble {

std::string read_node_file(const std::string& path, size_t bytes_max = 1024 * 1024);  // "" when it cannot be read
Status write_node_file(const std::string& path, std::string_view bytes, unsigned mode);  // by rename
Status make_node_dirs(const std::string& path);

}  // namespace bramble

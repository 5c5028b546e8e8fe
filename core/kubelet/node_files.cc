#include "core/kubelet/node_files.h"

#include "core/base/files.h"

namespace bramble {

std::string read_node_file(const std::string& path, size_t bytes_max) { return read_file_start(path, bytes_max); }

Status write_node_file(const std::string& path, std::string_view bytes, unsigned mode) { return replace_file(path, bytes, mode); }

Status make_node_dirs(const std::string& path) { return make_folders(path); }

}  // namespace bramble

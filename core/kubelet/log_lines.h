// CRI log files on this node: lines, tails, and where they are. Blocking reads of small parts; any thread.
// (Kubernetes: CRI container logging format, kubelet's pod log directories.)
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/runtime/oci_spec.h"

namespace bramble {

struct LogLine {
  std::string_view stamp, stream, text;
  bool partial = false;
};
// One line without its '\n'. Nothing: it is not a CRI line.
std::optional<LogLine> parse_log_line(std::string_view line);

// The offset at which the last `lines` lines of the file begin (0: fewer than that).
int64_t tail_offset(int fd, int64_t lines);
// The text of the last lines, at most bytes_max from the end.
std::string last_log_text(const std::string& path, int64_t lines, size_t bytes_max);

// <folder>/<pod>_<ns>_<container>-<id>.log; "" when folder is: no links are kept.
std::string log_link(const std::string& folder, std::string_view pod, std::string_view ns, std::string_view container, std::string_view id);
Status make_log_link(const std::string& log_path, const std::string& link);
// Removes the log with its rotated files, and its link.
void remove_log(const std::string& log_path, const std::string& link);

// The process object of a container's bundle: what an exec'd process inherits.
Result<OciProcess> container_process(const std::string& container_dir);

}  // namespace bramble

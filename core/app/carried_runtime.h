// CarriedRuntime: the OCI runtime of a node that names none: the runc inside this binary, unpacked once into
// <data-dir>/data/<hash of its bytes>/runc, by way of <data-dir>/data/current, which survives an upgrade as a path; else the one
// of the machine. Blocking; before the loop. After a crash a file is whole or not there.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"

namespace bramble {

// What --runtime means: a name in PATH or a path as it is; "": the carried runc (unpacked when it is not there yet), else "runc".
// Errors are one line that says what to do.
Result<std::string> node_runtime(const std::string& chosen, const std::string& data_dir);

// Puts the program that is compressed in `packed` (gzip or zstd) in its place, and makes it current. Older ones go.
Result<std::string> unpack_runtime(std::string_view packed, const std::string& data_dir);

}  // namespace bramble

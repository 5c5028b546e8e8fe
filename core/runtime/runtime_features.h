// What an OCI runtime says that it can do: the answer of `runc features` (OCI Runtime Specification 1.1, "Features Structure").
// Runtimes that do not say can nothing of it.
#pragma once

#include <string>
#include <string_view>

namespace bramble {

struct RuntimeFeatures {
  std::string name;                  // "runc"
  bool recursive_read_only = false;  // mounts with "rro"
  bool seccomp = false;
};
RuntimeFeatures parse_runtime_features(std::string_view json);  // pure

}  // namespace bramble

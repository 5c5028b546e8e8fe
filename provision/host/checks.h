// Checks of a machine: what bramble needs of the kernel and the system, and what to do where it is missing. Used by
// `bramble check-config` and before a node starts. Reads files under /proc and /sys, changes nothing. Blocking.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"

namespace bramble {

struct Check {
  enum class Verdict { kGood, kWarning, kMissing, kWrong };
  std::string name;     // "memory cgroup"
  Verdict verdict = Verdict::kGood;
  std::string finding;  // "cgroup v2 with memory, pids, cpu"
  std::string advice;   // what to do; empty when good
};

struct CheckOptions {
  std::string runtime = "runc";   // name in PATH, or a path; "": bramble carries one
  std::string root;               // before /proc, /sys, /boot: for tests
};

std::vector<Check> check_machine(const CheckOptions& options);

// The file whose one line switches the memory cgroup on for a Raspberry Pi's next boot, or "".
std::string pi_cmdline_file(const std::string& root);

}  // namespace bramble

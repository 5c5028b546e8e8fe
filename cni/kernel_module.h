// Loading a module of the kernel, for the few that the kernel does not load by itself when they are used. Blocking (a program
// runs, some 10 ms); any thread. The module stays for as long as the machine runs.
#pragma once

#include <string>

#include "core/base/result.h"

namespace bramble {

// By the program that the kernel itself would call (/proc/sys/kernel/modprobe). Loaded already, or built in, is fine. An Error
// says what failed: no such program, or no such module.
Status load_kernel_module(const std::string& name);

}  // namespace bramble

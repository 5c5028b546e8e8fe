// What a server and an agent do with their own process: its limit of open files at start, and a new start in its place. Main
// thread.
#pragma once

#include <cstdint>

namespace bramble {

// A service begins with 1024 open files for the sake of select(2), which nothing here uses; clients and pods need more than
// that. Gives the limit that it had, to which shims go back; 0: not known.
uint64_t raise_open_files();

// The same process with the same arguments and limits, from the start: all that was built upon the old address is built again.
// Comes back only when it cannot be.
void begin_anew(uint64_t open_files);

}  // namespace bramble

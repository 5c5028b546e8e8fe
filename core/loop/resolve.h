// Names of hosts to addresses, as the C library would find them: the hosts file, then the name servers of resolv.conf with its
// search list (hosts(5), resolv.conf(5), RFC 1035), by c-ares, which waits on the loop. Both files are read at each call, so
// that a network that came late is seen. The only place that includes ares.h.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/loop/task.h"

namespace bramble {

struct ResolveFiles {
  std::string hosts = "/etc/hosts", resolv_conf = "/etc/resolv.conf";
};

// Numeric addresses, best first (RFC 6724); a numeric name is its own answer. kNotFound "lookup NAME: no such host",
// kTimeout and kUnavailable when the name servers do not answer. At most limits::kResolveMs. Dropping the task ends it.
Task<Result<std::vector<std::string>>> resolve_host(std::string name, ResolveFiles files = ResolveFiles());

}  // namespace bramble

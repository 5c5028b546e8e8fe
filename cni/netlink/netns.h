// Network namespaces: running a function inside one. setns() moves a thread, so each call has a thread of its own and the
// caller's never moves (namespaces(7)). Blocking.
#pragma once

#include <functional>
#include <string>

#include "core/base/result.h"

namespace bramble {

// Runs fn in the namespace at path ("/run/.../ns/net"). kNotFound when there is none.
Status in_netns(const std::string& path, const std::function<Status()>& fn);

// /proc/sys/net/... of the calling thread's namespace. An equal value is not written.
Status set_net_sysctl(const std::string& name, std::string_view value);  // "ipv4/ip_forward"

}  // namespace bramble

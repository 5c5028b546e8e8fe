// resolv.conf: the name servers that questions outside the cluster go to (resolv.conf(5)). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bramble {

// Numeric addresses in order, at most kDnsUpstreamsMax. A stub on this host (127.0.0.0/8, ::1) and `self` are left out: they
// would ask us again.
std::vector<std::string> upstream_servers(std::string_view resolv_conf, std::string_view self);

}  // namespace bramble

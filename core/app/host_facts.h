// Facts about this host that a node needs to know of itself, read from the kernel at start. Blocking, cheap.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.h"

namespace bramble {

// The host's name as a node name: lower case, as the kernel tells it.
Result<std::string> host_name();

// The address of the link with the default route, else the first global IPv4 address of any link that is up.
// kNotFound asks for --node-ip.
Result<std::string> host_address();

// Who listens on a TCP port of this network namespace: "nginx (pid 812)", "another process" when it cannot be told, "" when
// the port is free.
std::string port_owner(uint16_t port);

// Tells the service manager (sd_notify(3)): "READY=1", "STOPPING=1", "WATCHDOG=1". Does nothing when there is none.
void notify_service_manager(std::string_view state);

}  // namespace bramble

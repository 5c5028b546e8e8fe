// bramble as CNI plugins: bridge, host-local, portmap, loopback by the name it is called with (CNI specification 1.1,
// sections 2 "Execution protocol" and 5 "Result types"). Configuration on standard input, CNI_* in the environment, the
// result or a structured error on standard output.
#pragma once

#include <string_view>

namespace bramble {

bool is_cni_plugin(std::string_view called_name);
int run_cni_plugin(std::string_view called_name);

}  // namespace bramble

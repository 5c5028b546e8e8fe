// The shim's executable, carried inside this program as bytes. Any thread.
#pragma once

#include <string_view>

namespace bramble {

std::string_view shim_binary();

}  // namespace bramble

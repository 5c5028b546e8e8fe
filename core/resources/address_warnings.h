// Warnings about addresses and ranges that are accepted though their text is not the usual one (GetWarningsForIP,
// GetWarningsForCIDR), and the usual text itself. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/resources/field_error.h"
#include "core/resources/ip_range.h"

namespace bramble {

// "10.0.0.1", "2001:db8::1" (RFC 5952).
std::string address_text(const IpAddress& ip);

// Nothing when the text is no address at all.
void address_warnings(std::string_view text, const Path& at, std::vector<std::string>& out);
void range_warnings(std::string_view text, const Path& at, std::vector<std::string>& out);

}  // namespace bramble

// Addresses that an endpoint may have, for Endpoints, EndpointSlice and Service externalIPs. Pure.
#pragma once

#include "core/resources/field_error.h"

namespace bramble {

// Not unspecified, loopback, link-local or link-local multicast (core/v1 ValidateNonSpecialIP).
void validate_non_special_ip(std::string_view ip, const Path& at, FieldErrors& errors);
// "a,b,c + 2 more...": at most three of `list`; `count` is how many there are in all.
std::string list_with_more(const std::vector<std::string>& list, size_t count);

}  // namespace bramble

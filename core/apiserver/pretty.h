// JSON with line breaks, for people: for those who ask for it (?pretty=true, ;pretty=1), and for curl, Wget and browsers unless they
// ask for none. Pure.
#pragma once

#include <string>
#include <string_view>

namespace bramble {

// `query` is the value of "pretty" in the query, "" when it is not there; `accepted` what the Accept header says.
bool wants_pretty(std::string_view query, bool accepted, std::string_view user_agent);

// Compact JSON with two spaces a level, as Go's json.MarshalIndent has it.
std::string indented(std::string_view json);

}  // namespace bramble

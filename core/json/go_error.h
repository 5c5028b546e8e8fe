// JSON errors in the words of Go's encoding/json: clients see them in Status messages. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace bramble {

// What is wrong with this text: "invalid character 'x' looking for beginning of value", "unexpected end of JSON input"; with
// line and column unless it is one short line (position.h). Empty when it is one JSON value.
std::string go_json_error(std::string_view text);
// The same without the place.
std::string go_json_message(std::string_view text);

}  // namespace bramble

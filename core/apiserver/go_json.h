// JSON errors in the words of Go's encoding/json: clients see them in Status messages. Pure.
#pragma once

#include <string>
#include <string_view>

namespace bramble {

// What is wrong with this text: "invalid character 'x' looking for beginning of value", "unexpected end of JSON input"; with
// line and column unless it is one short line (core/json/position.h). Empty when it is one JSON value.
std::string go_json_error(std::string_view text);

// "5b5d" of a body that does not begin with '{', the first 30 characters of one that does, "<empty>".
std::string summarize_body(std::string_view body);

}  // namespace bramble

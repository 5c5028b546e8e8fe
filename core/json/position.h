// Where in a text an error stands, as a note behind a message whose own words are somebody else's. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace bramble {

// " (line 2, column 7)", counted from 1. Empty when the text is one short line: messages show such a body whole, and clients
// know them as upstream words them.
std::string position_note(std::string_view text, size_t line, size_t column);
// The same of a byte's place in the text.
std::string position_note_at(std::string_view text, size_t offset);

}  // namespace bramble

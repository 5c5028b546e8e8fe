// Documents out of text, for tests of every room.
#pragma once

#include <gtest/gtest.h>

#include <string_view>

#include "core/json/value.h"

namespace bramble {

inline Document json(std::string_view text) {
  auto parsed = Document::parse(text);
  EXPECT_TRUE(parsed.ok()) << text;
  return parsed.ok() ? *parsed : Document();
}

}  // namespace bramble

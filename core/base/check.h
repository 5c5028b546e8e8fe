// CHECK(condition, values...): a bug in us aborts with the values. Input from outside is never CHECKed.
// The service manager restarts the process, the store is crash-safe, and the pods live on.
#pragma once

#include "core/base/strings.h"

namespace bramble {

[[noreturn]] void check_failed(const char* file, int line, const char* condition, const std::string& values);

#define CHECK(condition, ...)                                                                              \
  do {                                                                                                     \
    if (!(condition)) [[unlikely]]                                                                         \
      ::bramble::check_failed(__FILE__, __LINE__, #condition, ::bramble::cat(__VA_ARGS__));                \
  } while (0)

}  // namespace bramble

// Buffer: immutable bytes shared between threads without copying (a serialized object, a watch frame).
#pragma once

#include <memory>
#include <string>

namespace bramble {

using Buffer = std::shared_ptr<const std::string>;
inline Buffer make_buffer(std::string bytes) { return std::make_shared<const std::string>(std::move(bytes)); }

}  // namespace bramble

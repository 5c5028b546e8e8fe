// $(NAME) references in commands, arguments and environment values. "$$" is a dollar; an unknown name stays as it is written.
// (Kubernetes API: Container.command.) Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace bramble {

std::string expand_references(std::string_view text, const std::function<std::optional<std::string>(std::string_view)>& value_of);

}  // namespace bramble

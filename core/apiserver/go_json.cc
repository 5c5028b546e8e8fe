#include "core/apiserver/go_json.h"

#include "core/base/strings.h"

namespace bramble {

std::string summarize_body(std::string_view body) {
  constexpr size_t kShown = 30;
  if (body.empty()) return "<empty>";
  bool longer = body.size() > kShown;
  std::string_view head = body.substr(0, kShown);
  return cat(body[0] == '{' ? std::string(head) : hex(head), longer ? " ..." : "");
}

}  // namespace bramble

#include "core/resources/endpoint_address.h"

#include "core/resources/ip_range.h"

namespace bramble {

void validate_non_special_ip(std::string_view text, const Path& at, FieldErrors& errors) {
  const auto ip = parse_ip_sloppily(text);
  if (!ip) {
    errors.invalid(at, text, "must be a valid IP address");
    return;
  }
  if (ip->is_unspecified()) errors.invalid(at, text, cat("may not be unspecified (", text, ")"));
  if (ip->is_loopback()) errors.invalid(at, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
  if (ip->is_link_local()) errors.invalid(at, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
  if (ip->is_link_local_multicast())
    errors.invalid(at, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
}

std::string list_with_more(const std::vector<std::string>& list, size_t count) {
  constexpr size_t kShown = 3;
  std::vector<std::string> shown(list.begin(),
                                 list.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, list.size())));
  const std::string text = join(shown, ",");
  return count > kShown ? cat(text, " + ", count - kShown, " more...") : text;
}

}  // namespace bramble

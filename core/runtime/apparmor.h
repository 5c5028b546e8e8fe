// The AppArmor profile of RuntimeDefault: what containers may do on a host that has AppArmor, when nobody says otherwise. Text for
// apparmor_parser(8). Pure.
#pragma once

#include <string>

namespace bramble {

constexpr const char* kDefaultAppArmorProfile = "bramble-default";
std::string default_apparmor_profile();

}  // namespace bramble

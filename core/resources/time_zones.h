// The names of the world's time zones (IANA). They stand in the binary, as in upstream's, because a small board need not have the
// database: what is a zone must not depend on the machine. Only names: the rules of the zones come with the CronJob controller.
// Pure; any thread.
#pragma once

#include <string_view>

namespace bramble {

bool is_time_zone(std::string_view name);  // "Europe/Berlin", "CET"

}  // namespace bramble

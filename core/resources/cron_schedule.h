// The five fields of a cron schedule, as robfig/cron reads them ("Cron schedule syntax" of CronJob), and time zone
// names. Only checks; the times come with the CronJob controller. Pure.
#pragma once

#include <string>
#include <string_view>

namespace bramble {

std::string check_cron_schedule(std::string_view text);  // "" when fine, else what is wrong
std::string time_zone_fault(std::string_view name);     // the same; "" and "Local" are zones, as in Go

}  // namespace bramble

#include "core/resources/cron_schedule.h"

#include <algorithm>
#include <vector>

#include "core/base/strings.h"
#include "core/resources/time_zones.h"
#include "core/schema/go_time.h"

namespace bramble {
namespace {

struct Bounds {
  int64_t min, max;
  std::string_view names;  // "sun,mon,..." or "jan,feb,...", counted from min
};
constexpr Bounds kFields[] = {{0, 59, ""},
                              {0, 23, ""},
                              {1, 31, ""},
                              {1, 12, "jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec"},
                              {0, 6, "sun,mon,tue,wed,thu,fri,sat"}};

// A number or a name; -1 with `error` set when neither.
int64_t number_of(std::string_view s, const Bounds& b, std::string& error) {
  if (!b.names.empty()) {
    const auto names = split(b.names, ',');
    for (size_t i = 0; i < names.size(); ++i)
      if (equals_ignore_case(names[i], s)) return b.min + static_cast<int64_t>(i);
  }
  const auto n = parse_int64(s);
  if (!n) {
    error = cat("failed to parse int from ", s, ": strconv.Atoi: parsing ", go_quote(s), ": invalid syntax");
    return -1;
  }
  if (*n < 0) error = cat("negative number (", *n, ") not allowed: ", s);
  return *n;
}

std::string check_range(std::string_view expression, const Bounds& b) {
  const auto range_and_step = split(expression, '/');
  const auto low_and_high = split(range_and_step[0], '-');
  const bool single = low_and_high.size() == 1;
  int64_t start = b.min, end = b.max;
  std::string error;
  if (low_and_high[0] != "*" && low_and_high[0] != "?") {
    start = number_of(low_and_high[0], b, error);
    if (!error.empty()) return error;
    end = start;
    if (low_and_high.size() == 2) {
      end = number_of(low_and_high[1], b, error);
      if (!error.empty()) return error;
    } else if (low_and_high.size() > 2) {
      return cat("too many hyphens: ", expression);
    }
  }
  int64_t step = 1;
  if (range_and_step.size() == 2) {
    step = number_of(range_and_step[1], {0, 0, ""}, error);
    if (!error.empty()) return error;
    if (single) end = b.max;  // "N/step" goes to the end
  } else if (range_and_step.size() > 2) {
    return cat("too many slashes: ", expression);
  }
  if (start < b.min) return cat("beginning of range (", start, ") below minimum (", b.min, "): ", expression);
  if (end > b.max) return cat("end of range (", end, ") above maximum (", b.max, "): ", expression);
  if (start > end) return cat("beginning of range (", start, ") beyond end of range (", end, "): ", expression);
  if (step == 0) return cat("step of range should be a positive number: ", expression);
  return {};
}

}  // namespace

std::string check_cron_schedule(std::string_view text) {
  if (text.substr(0, 3) == "TZ=" || text.substr(0, 8) == "CRON_TZ=") {
    const auto parts = cut(text, " ");
    if (!parts) return "invalid schedule format: runtime error: slice bounds out of range [:-1]";
    const std::string_view zone = parts->first.substr(parts->first.find('=') + 1);
    if (const std::string wrong = time_zone_fault(zone); !wrong.empty()) return cat("provided bad location ", zone, ": ", wrong);
    text = trim(parts->second);
  }
  if (!text.empty() && text[0] == '@') {
    static constexpr std::string_view kKnown[] = {"@yearly", "@annually", "@monthly", "@weekly",
                                                  "@daily",  "@midnight", "@hourly"};
    if (std::find(std::begin(kKnown), std::end(kKnown), text) != std::end(kKnown)) return {};
    constexpr std::string_view kEvery = "@every ";
    if (text.substr(0, kEvery.size()) != kEvery) return cat("unrecognized descriptor: ", text);
    const std::string_view duration = text.substr(kEvery.size());
    if (parse_go_duration(duration)) return {};
    return cat("failed to parse duration ", text, ": time: invalid duration ", go_quote(duration));
  }
  std::vector<std::string_view> fields;
  for (std::string_view word : split(text, ' '))
    for (std::string_view f : split(word, '\t'))
      if (!trim(f).empty()) fields.push_back(trim(f));
  if (fields.size() != 5)
    return cat("expected exactly 5 fields, found ", fields.size(), ": [",
               join(std::vector<std::string>(fields.begin(), fields.end()), " "), "]");
  for (size_t i = 0; i < 5; ++i)
    for (std::string_view part : split(fields[i], ',')) {
      const std::string wrong = check_range(part, kFields[i]);
      if (!wrong.empty()) return wrong;
    }
  return {};
}

std::string time_zone_fault(std::string_view name) {
  if (name.empty() || name == "UTC" || name == "Local") return {};
  if (name.find("..") != std::string_view::npos || name[0] == '/' || name[0] == '\\') return "time: invalid location name";
  return is_time_zone(name) ? std::string() : cat("unknown time zone ", name);
}

}  // namespace bramble

#include "core/resources/cron_schedule.h"

#include <algorithm>
#include <vector>

#include "core/base/strings.h"

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
    if (!parts) return "invalid schedule format: a time zone alone";
    const std::string_view zone = parts->first.substr(parts->first.find('=') + 1);
    if (const std::string wrong = check_time_zone(zone); !zone.empty() && !wrong.empty()) return cat("provided bad location ", zone, ": ", wrong);
    text = trim(parts->second);
  }
  if (!text.empty() && text[0] == '@') {
    static constexpr std::string_view kKnown[] = {"@yearly", "@annually", "@monthly", "@weekly",
                                                  "@daily",  "@midnight", "@hourly"};
    if (std::find(std::begin(kKnown), std::end(kKnown), text) != std::end(kKnown)) return {};
    if (text.substr(0, 7) == "@every ") return {};
    return cat("unrecognized descriptor: ", text);
  }
  std::vector<std::string_view> fields;
  for (std::string_view f : split(text, ' '))
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

// By shape, for the machine need not have the zones' database: an area of IANA's and a place in it.
std::string check_time_zone(std::string_view name) {
  constexpr size_t kPartMax = 14;
  for (std::string_view part : split(name, '/')) {
    bool fits = !part.empty() && part.size() <= kPartMax && part != "." && part != ".." && part[0] != '-';
    for (char c : part) {
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'), digit = c >= '0' && c <= '9';
      fits = fits && (letter || digit || std::string_view("._-+").find(c) != std::string_view::npos);
    }
    if (!fits) return cat("unknown time zone ", name);
  }
  if (equals_ignore_case(name, "local"))
    return "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
  static constexpr std::string_view kAlone[] = {"UTC",       "GMT",      "CET",       "EET",     "MET",     "WET",
                                                "EST",       "MST",      "HST",       "EST5EDT", "CST6CDT", "MST7MDT",
                                                "PST8PDT",   "Zulu",     "Universal", "Japan",   "Israel",  "Turkey",
                                                "Singapore", "Portugal", "Poland",    "Iran",    "Egypt",   "Cuba"};
  static constexpr std::string_view kAreas[] = {"Africa/",   "America/",   "Antarctica/", "Arctic/", "Asia/",
                                                "Atlantic/", "Australia/", "Canada/",     "Etc/",    "Europe/",
                                                "Indian/",   "Pacific/",   "US/"};
  if (std::find(std::begin(kAlone), std::end(kAlone), name) != std::end(kAlone)) return {};
  if (name.find("..") == std::string_view::npos && name.find('\\') == std::string_view::npos)
    for (std::string_view a : kAreas)
      if (name.substr(0, a.size()) == a && name.size() > a.size()) return {};
  return cat("unknown time zone ", name);
}

}  // namespace bramble

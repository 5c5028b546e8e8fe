#include "core/apiserver/pod_security.h"

#include <algorithm>

#include "core/base/strings.h"

namespace bramble {

namespace {

constexpr std::string_view kPrefix = "pod-security.kubernetes.io/";
constexpr std::string_view kLevels[] = {"privileged", "baseline", "restricted"};

std::optional<SecurityLevel> level_of(std::string_view text) {
  auto at = std::find(std::begin(kLevels), std::end(kLevels), text);
  if (at == std::end(kLevels)) return std::nullopt;
  return static_cast<SecurityLevel>(at - std::begin(kLevels));
}

// "latest", or "v1." and a number without leading zeroes.
bool read_version(std::string_view text, LevelVersion& out) {
  out.latest = true, out.minor = 0;
  if (text == "latest") return true;
  constexpr std::string_view kMajor = "v1.";
  if (text.substr(0, kMajor.size()) != kMajor) return false;
  std::string_view digits = text.substr(kMajor.size());
  bool plain = !digits.empty() && std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!plain || (digits.size() > 1 && digits[0] == '0')) return false;
  std::optional<int64_t> minor = parse_int64(digits);
  if (!minor) return false;
  out.latest = false, out.minor = *minor;
  return true;
}

// The two labels of one mode. `otherwise`: the level in place of one that cannot be read. Gives whether a level was read.
bool read_mode(Value labels, std::string_view mode, SecurityLevel otherwise, LevelVersion& out, FieldErrors& errors) {
  const Path at = Path("metadata").at("labels");
  bool read = false;
  const std::string level_label = cat(kPrefix, mode), version_label = cat(kPrefix, mode, "-version");
  if (Value level = labels[level_label]) {
    std::optional<SecurityLevel> known = level_of(level.str());
    read = known.has_value();
    out.level = known.value_or(otherwise);
    if (!read) errors.invalid(at.key(level_label), level.str(), "must be one of privileged, baseline, restricted");
  }
  if (Value version = labels[version_label]) {
    if (!read_version(version.str(), out)) errors.invalid(at.key(version_label), version.str(), "must be \"latest\" or \"v1.x\"");
  }
  return read;
}

}  // namespace

std::string LevelVersion::text() const {
  std::string_view name = kLevels[static_cast<size_t>(level)];
  return latest ? cat(name, ":latest") : cat(name, ":v1.", minor);
}

bool PodSecurityPolicy::fully_privileged() const {
  constexpr SecurityLevel kNone = SecurityLevel::kPrivileged;
  return enforce.level == kNone && audit.level == kNone && warn.level == kNone;
}

PodSecurityPolicy PodSecurityPolicy::of(Value labels, FieldErrors& errors) {
  PodSecurityPolicy p;
  bool enforces = read_mode(labels, "enforce", SecurityLevel::kRestricted, p.enforce, errors);
  read_mode(labels, "audit", SecurityLevel::kPrivileged, p.audit, errors);
  read_mode(labels, "warn", SecurityLevel::kPrivileged, p.warn, errors);
  // What is enforced is told too, to those who make pods by way of templates, unless the namespace says what to tell.
  if (enforces && !labels.has(cat(kPrefix, "warn")) && p.enforce.level > p.warn.level) {
    p.warn.level = p.enforce.level;
    if (!labels.has(cat(kPrefix, "warn-version"))) p.warn.latest = p.enforce.latest, p.warn.minor = p.enforce.minor;
  }
  return p;
}

}  // namespace bramble

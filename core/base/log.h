// Log lines on standard error, one write each: "I 2026-01-02T03:04:05.678Z room: text". Any thread.
// The level is set once by core/app before threads start. Messages are rate-free: a caller that may repeat uses log_every.
#pragma once

#include <string>
#include <string_view>

#include "core/base/strings.h"

namespace bramble {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

void set_log_level(LogLevel level);
bool log_enabled(LogLevel level);
void log_line(LogLevel level, std::string_view text);

template <class... A>
void log_debug(const A&... a) { if (log_enabled(LogLevel::kDebug)) log_line(LogLevel::kDebug, cat(a...)); }
template <class... A>
void log_info(const A&... a) { if (log_enabled(LogLevel::kInfo)) log_line(LogLevel::kInfo, cat(a...)); }
template <class... A>
void log_warning(const A&... a) { log_line(LogLevel::kWarning, cat(a...)); }
template <class... A>
void log_error(const A&... a) { log_line(LogLevel::kError, cat(a...)); }

}  // namespace bramble

#include "core/http/message.h"

#include <time.h>

#include <cstdio>

#include "core/base/strings.h"

namespace bramble {

std::string_view HttpRequest::header(std::string_view lower_name) const { return find_header(headers, lower_name); }

bool HttpRequest::asks_for_upgrade() const {
  const std::string_view to = header("upgrade");
  return http_major == 1 && has_token(header("connection"), "upgrade") && (has_token(to, "websocket") || has_token(to, "SPDY/3.1"));
}

std::string_view find_header(const std::vector<Header>& headers, std::string_view lower_name) {
  for (auto& h : headers)
    if (h.name == lower_name) return h.value;
  return {};
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Request Entity Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Entity";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
  }
  return "";
}

std::string http_date() {
  static thread_local time_t made_for = 0;
  static thread_local char text[64];
  time_t now = time(nullptr);
  if (now != made_for) {
    static const char* const kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char* const kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    tm t{};
    gmtime_r(&now, &t);
    std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[t.tm_wday], t.tm_mday,
                  kMonths[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    made_for = now;
  }
  return text;
}

bool valid_header_name(std::string_view name) {
  if (name.empty()) return false;
  for (char c : name) {
    bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!alphanumeric && std::string_view("!#$%&'*+-.^_`|~").find(c) == std::string_view::npos) return false;
  }
  return true;
}

std::string safe_header_value(std::string_view value) {
  std::string out(trim(value));
  for (char& c : out)
    if (c == '\r' || c == '\n' || c == '\0') c = ' ';
  return out;
}

bool has_token(std::string_view value, std::string_view token) {
  for (auto part : split(value, ','))
    if (equals_ignore_case(trim(part), token)) return true;
  return false;
}

Refusal refusal_of(int status, const std::string& too_large_json) {
  if (status == 413 && !too_large_json.empty()) return {{{"content-type", "application/json"}}, too_large_json};
  Refusal out{{{"content-type", "text/plain; charset=utf-8"}}, cat(status, " ", reason_phrase(status))};
  if (status != 429) return out;
  out.headers.push_back({"retry-after", "1"});
  out.headers.push_back({"x-content-type-options", "nosniff"});
  out.body = "Too many requests, please try again later.\n";
  return out;
}

bool may_have_body(int status) { return status >= 200 && status != 204 && status != 304; }

bool split_target(std::string_view target, std::string* path, std::string* query) {
  for (std::string_view scheme : {std::string_view("http://"), std::string_view("https://")}) {
    if (!target.starts_with(scheme)) continue;
    size_t slash = target.find('/', scheme.size());
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  if (target.empty() || (target[0] != '/' && target != "*")) return false;
  size_t mark = target.find('?');
  *path = std::string(target.substr(0, mark));
  *query = mark == std::string_view::npos ? std::string() : std::string(target.substr(mark + 1));
  return true;
}

}  // namespace bramble

#include "core/base/result.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bramble {

std::string_view code_name(Code code) {
  switch (code) {
    case Code::kInvalidArgument: return "invalid argument";
    case Code::kUnauthenticated: return "unauthenticated";
    case Code::kPermissionDenied: return "permission denied";
    case Code::kNotFound: return "not found";
    case Code::kMethodNotAllowed: return "method not allowed";
    case Code::kAlreadyExists: return "already exists";
    case Code::kConflict: return "conflict";
    case Code::kGone: return "gone";
    case Code::kTooLarge: return "too large";
    case Code::kUnsupportedMedia: return "unsupported media type";
    case Code::kInvalidObject: return "invalid object";
    case Code::kTooManyRequests: return "too many requests";
    case Code::kInternal: return "internal";
    case Code::kUnavailable: return "unavailable";
    case Code::kTimeout: return "timeout";
    case Code::kCancelled: return "cancelled";
    case Code::kNoSpace: return "no space";
    case Code::kCorrupt: return "corrupt";
    case Code::kIo: return "io";
    case Code::kExhausted: return "exhausted";
  }
  return "unknown";
}

Error::Error(Code code, std::string message) : rep_(std::make_shared<const Rep>(Rep{code, std::move(message), {}})) {}
Error::Error(Code code, std::string message, Error cause)
    : rep_(std::make_shared<const Rep>(Rep{code, cat(message, ": ", cause.message()), cause.status_json()})) {}

Error Error::with_status(Code code, std::string message, std::string status_json) {
  return Error(std::make_shared<const Rep>(Rep{code, std::move(message), std::move(status_json)}));
}

Error Error::prefixed(std::string_view prefix) const {
  return Error(std::make_shared<const Rep>(Rep{rep_->code, cat(prefix, ": ", rep_->message), rep_->status_json}));
}

Error Error::from_errno(int err, std::string_view what) {
  Code code = Code::kIo;
  if (err == ENOSPC || err == EDQUOT) code = Code::kNoSpace;
  if (err == ENOENT) code = Code::kNotFound;
  if (err == EEXIST) code = Code::kAlreadyExists;
  if (err == EACCES || err == EPERM) code = Code::kPermissionDenied;
  if (err == ETIMEDOUT) code = Code::kTimeout;
  char buf[128];
  return Error(code, cat(what, ": ", static_cast<const char*>(strerror_r(err, buf, sizeof buf))));
}

void check_failed(const char* file, int line, const char* condition, const std::string& values) {
  std::fprintf(stderr, "F %s:%d: CHECK(%s) failed: %s\n", file, line, condition, values.c_str());
  std::abort();
}

}  // namespace bramble

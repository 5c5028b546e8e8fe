// Result<T> and Error: how a fallible call answers. No exceptions anywhere.
// An Error is one pointer: a closed code, a message and an optional cause. Values may be copied and cross threads.
// Messages are lower case, object first, what to do last:
//   "pod default/web-1: pull registry.local/web:2: 401 unauthorized; check imagePullSecrets"
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "core/base/check.h"

namespace bramble {

// The closed set of failures. core/apiserver maps each to a Kubernetes Status reason and an HTTP number in one table.
enum class Code {
  kInvalidArgument,    // the caller's input is malformed (400 BadRequest)
  kUnauthenticated,    // 401
  kPermissionDenied,   // 403 Forbidden
  kNotFound,           // 404
  kMethodNotAllowed,   // 405
  kAlreadyExists,      // 409 AlreadyExists
  kConflict,           // 409 Conflict: a precondition on uid or resourceVersion failed
  kGone,               // 410 Expired
  kTooLarge,           // 413
  kUnsupportedMedia,   // 415
  kInvalidObject,      // 422 Invalid: field rules broken
  kTooManyRequests,    // 429
  kInternal,           // 500
  kUnavailable,        // 503: try again later
  kTimeout,            // 504
  kCancelled,          // the caller went away or we are shutting down
  kNoSpace,            // disk full, or a limit of limits.h reached
  kCorrupt,            // bytes on disk do not match their checksum or format
  kIo,                 // errno of a kernel call, other than the above
  kExhausted,          // a bounded resource (addresses, ports, processes) is used up
};

std::string_view code_name(Code code);

class Error {
 public:
  Error(Code code, std::string message);
  Error(Code code, std::string message, Error cause);
  Code code() const { return rep_->code; }
  const std::string& message() const { return rep_->message; }
  // The full Kubernetes Status object (JSON) that an API call failed with, or empty.
  const std::string& status_json() const { return rep_->status_json; }
  static Error with_status(Code code, std::string message, std::string status_json);
  // A copy with "prefix: " before the message.
  Error prefixed(std::string_view prefix) const;
  // From errno of a failed call: "what: strerror". ENOSPC, ENOENT, EEXIST, EACCES map to their codes.
  static Error from_errno(int err, std::string_view what);

 private:
  struct Rep {
    Code code;
    std::string message;
    std::string status_json;
  };
  explicit Error(std::shared_ptr<const Rep> rep) : rep_(std::move(rep)) {}
  std::shared_ptr<const Rep> rep_;
};

struct Ok {};

template <class T = Ok>
class [[nodiscard]] Result {
 public:
  Result(T value) : v_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : v_(std::in_place_index<1>, std::move(error)) {}
  bool ok() const { return v_.index() == 0; }
  explicit operator bool() const { return ok(); }
  // CHECKs ok(): asking a failed Result for its value is a bug in us.
  T& value() & { CHECK(ok(), error_text()); return *std::get_if<0>(&v_); }
  const T& value() const& { CHECK(ok(), error_text()); return *std::get_if<0>(&v_); }
  T&& value() && { CHECK(ok(), error_text()); return std::move(*std::get_if<0>(&v_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const { CHECK(!ok(), "ok"); return *std::get_if<1>(&v_); }

 private:
  std::string error_text() const { return ok() ? std::string() : std::get_if<1>(&v_)->message(); }
  std::variant<T, Error> v_;
};

using Status = Result<Ok>;
inline Status ok() { return Status(Ok{}); }

// TRY(expr): in a function that returns a Result, hands an error up. The only macro that returns.
// TRY_ASSIGN(x, expr): declares x as the value. CO_TRY and CO_TRY_ASSIGN are the same inside a coroutine, for an expression
// that does not wait (co_await stands alone: bind its result to a name first).
#define BRAMBLE_CAT2(a, b) a##b
#define BRAMBLE_CAT(a, b) BRAMBLE_CAT2(a, b)
#define TRY(expr)                                   \
  do {                                              \
    auto&& try_result = (expr);                     \
    if (!try_result.ok()) return try_result.error(); \
  } while (0)
#define TRY_ASSIGN(decl, expr)                                                        \
  auto BRAMBLE_CAT(try_result_, __LINE__) = (expr);                                   \
  if (!BRAMBLE_CAT(try_result_, __LINE__).ok()) return BRAMBLE_CAT(try_result_, __LINE__).error(); \
  decl = std::move(BRAMBLE_CAT(try_result_, __LINE__)).value()
#define CO_TRY(expr)                                   \
  do {                                                 \
    auto&& try_result = (expr);                        \
    if (!try_result.ok()) co_return try_result.error(); \
  } while (0)
#define CO_TRY_ASSIGN(decl, expr)                                                        \
  auto BRAMBLE_CAT(try_result_, __LINE__) = (expr);                                      \
  if (!BRAMBLE_CAT(try_result_, __LINE__).ok()) co_return BRAMBLE_CAT(try_result_, __LINE__).error(); \
  decl = std::move(BRAMBLE_CAT(try_result_, __LINE__)).value()

}  // namespace bramble

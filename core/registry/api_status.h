// Kubernetes Status objects and the one table from Code to reason and HTTP number. Errors of the registry and of the
// apiserver are made here, so that each carries the whole Status that a client sees (Error::status_json).
// Texts are upstream's (k8s.io/apimachinery/pkg/api/errors). Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/json/builder.h"

namespace bramble {

// A resource as messages name it: "pods", "deployments.apps".
struct ResourceName {
  std::string_view group;
  std::string_view resource;
  std::string text() const { return group.empty() ? std::string(resource) : cat(resource, ".", group); }
};

struct StatusCause {
  std::string reason, message, field;
};

struct StatusDetails {
  bool present = false;
  std::string name, group, kind, uid;
  std::vector<StatusCause> causes;
  int64_t retry_after_s = 0;
};

std::string_view reason_of(Code code);  // "NotFound"
int http_of(Code code);                 // 404

// A failure with an explicit reason and number, where they are not the code's own (406, 500 without a reason).
Error status_failure(Code code, int http, std::string_view reason, std::string_view message,
                     const StatusDetails& details = {});
// The same with the code's own reason and number.
Error status_failure(Code code, std::string_view message, const StatusDetails& details = {});

Error api_not_found(const ResourceName& resource, std::string_view name);
Error api_already_exists(const ResourceName& resource, std::string_view name);
// `Operation cannot be fulfilled on pods "x": <why>`
Error api_conflict(const ResourceName& resource, std::string_view name, std::string_view why);
// `pods "x" is forbidden: <why>`, `pods is forbidden: <why>` without a name.
Error api_forbidden(const ResourceName& resource, std::string_view name, std::string_view why);
Error api_bad_request(std::string_view message);
Error api_plain(std::string_view message);     // upstream's errors that are no Status: 500 without a reason
Error api_internal(std::string_view message);  // `Internal error occurred: <message>`
Error api_expired(std::string_view message);
Error api_unsupported_media(const std::vector<std::string_view>& accepted);
Error api_no_such_resource();                  // `the server could not find the requested resource`
Error api_method_not_allowed();                // `the server does not allow this method on the requested resource`
Error api_not_acceptable();                    // 406

inline constexpr std::string_view kModifiedText =
    "the object has been modified; please apply your changes to the latest version and try again";

// The Status that tells a client of this error: its own, or one made of its code and message.
std::string status_json_of(const Error& error);
int http_status_of(const Error& error);

// `{"kind":"Status",...,"status":"Success","details":{...}}`; code 0: not written.
std::string success_status(const StatusDetails& details, int code = 0);

}  // namespace bramble

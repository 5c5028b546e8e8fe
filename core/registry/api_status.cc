#include "core/registry/api_status.h"

namespace bramble {

namespace {

struct CodeRow {
  Code code;
  std::string_view reason;
  int http;
};

constexpr CodeRow kCodes[] = {
    {Code::kInvalidArgument, "BadRequest", 400},
    {Code::kUnauthenticated, "Unauthorized", 401},
    {Code::kPermissionDenied, "Forbidden", 403},
    {Code::kNotFound, "NotFound", 404},
    {Code::kMethodNotAllowed, "MethodNotAllowed", 405},
    {Code::kAlreadyExists, "AlreadyExists", 409},
    {Code::kConflict, "Conflict", 409},
    {Code::kGone, "Expired", 410},
    {Code::kTooLarge, "RequestEntityTooLarge", 413},
    {Code::kUnsupportedMedia, "UnsupportedMediaType", 415},
    {Code::kInvalidObject, "Invalid", 422},
    {Code::kTooManyRequests, "TooManyRequests", 429},
    {Code::kInternal, "InternalError", 500},
    {Code::kUnavailable, "ServiceUnavailable", 503},
    {Code::kTimeout, "Timeout", 504},
    {Code::kCancelled, "ServiceUnavailable", 503},
    {Code::kNoSpace, "InternalError", 500},
    {Code::kCorrupt, "InternalError", 500},
    {Code::kIo, "InternalError", 500},
    {Code::kExhausted, "InternalError", 500},
};

const CodeRow& row_of(Code code) {
  for (const CodeRow& row : kCodes) {
    if (row.code == code) return row;
  }
  return kCodes[12];
}

void write_details(Mut status, const StatusDetails& d) {
  if (!d.present) return;
  Mut out = status.object("details");
  if (!d.name.empty()) out.set("name", d.name);
  if (!d.group.empty()) out.set("group", d.group);
  if (!d.kind.empty()) out.set("kind", d.kind);
  if (!d.uid.empty()) out.set("uid", d.uid);
  if (!d.causes.empty()) {
    Mut causes = out.array("causes");
    for (const StatusCause& cause : d.causes) {
      Mut c = causes.append_object();
      if (!cause.reason.empty()) c.set("reason", cause.reason);
      if (!cause.message.empty()) c.set("message", cause.message);
      if (!cause.field.empty()) c.set("field", cause.field);
    }
  }
  if (d.retry_after_s > 0) out.set("retryAfterSeconds", d.retry_after_s);
}

std::string status_text(bool failure, std::string_view message, std::string_view reason, const StatusDetails& details,
                        int code) {
  Builder b;
  Mut s = b.root();
  s.set("kind", "Status");
  s.set("apiVersion", "v1");
  s.object("metadata");
  s.set("status", failure ? "Failure" : "Success");
  if (!message.empty()) s.set("message", message);
  if (!reason.empty()) s.set("reason", reason);
  write_details(s, details);
  if (code != 0) s.set("code", code);
  return b.dump();
}

StatusDetails about(const ResourceName& resource, std::string_view name) {
  StatusDetails d;
  d.present = true;
  d.name = name;
  d.group = resource.group;
  d.kind = resource.resource;
  return d;
}

StatusDetails empty_details() {
  StatusDetails d;
  d.present = true;
  return d;
}

}  // namespace

std::string_view reason_of(Code code) { return row_of(code).reason; }
int http_of(Code code) { return row_of(code).http; }

Error status_failure(Code code, int http, std::string_view reason, std::string_view message,
                     const StatusDetails& details) {
  return Error::with_status(code, std::string(message), status_text(true, message, reason, details, http));
}

Error status_failure(Code code, std::string_view message, const StatusDetails& details) {
  const CodeRow& row = row_of(code);
  return status_failure(code, row.http, row.reason, message, details);
}

Error api_not_found(const ResourceName& resource, std::string_view name) {
  return status_failure(Code::kNotFound, cat(resource.text(), " \"", name, "\" not found"), about(resource, name));
}

Error api_already_exists(const ResourceName& resource, std::string_view name) {
  return status_failure(Code::kAlreadyExists, cat(resource.text(), " \"", name, "\" already exists"),
                        about(resource, name));
}

Error api_conflict(const ResourceName& resource, std::string_view name, std::string_view why) {
  return status_failure(Code::kConflict, cat("Operation cannot be fulfilled on ", resource.text(), " \"", name, "\": ", why),
                        about(resource, name));
}

Error api_forbidden(const ResourceName& resource, std::string_view name, std::string_view why) {
  std::string message;
  if (resource.resource.empty()) {
    message = cat("forbidden: ", why);
  } else if (name.empty()) {
    message = cat(resource.text(), " is forbidden: ", why);
  } else {
    message = cat(resource.text(), " \"", name, "\" is forbidden: ", why);
  }
  return status_failure(Code::kPermissionDenied, message, about(resource, name));
}

Error api_bad_request(std::string_view message) { return status_failure(Code::kInvalidArgument, message); }

Error api_plain(std::string_view message) { return status_failure(Code::kInternal, 500, "", message); }

Error api_internal(std::string_view message) {
  StatusDetails d = empty_details();
  d.causes.push_back({"", std::string(message), ""});
  return status_failure(Code::kInternal, cat("Internal error occurred: ", message), d);
}

Error api_expired(std::string_view message) { return status_failure(Code::kGone, message); }

Error api_unsupported_media(const std::vector<std::string_view>& accepted) {
  std::string list;
  for (std::string_view a : accepted) list = list.empty() ? std::string(a) : cat(list, ", ", a);
  return status_failure(Code::kUnsupportedMedia,
                        cat("the body of the request was in an unknown format - accepted media types include: ", list));
}

Error api_no_such_resource() {
  return status_failure(Code::kNotFound, "the server could not find the requested resource", empty_details());
}

Error api_method_not_allowed() {
  return status_failure(Code::kMethodNotAllowed, "the server does not allow this method on the requested resource",
                        empty_details());
}

Error api_not_acceptable() {
  return status_failure(Code::kUnsupportedMedia, 406, "NotAcceptable",
                        "only the following media types are accepted: application/json, application/yaml, "
                        "application/vnd.kubernetes.protobuf");
}

std::string status_json_of(const Error& error) {
  if (!error.status_json().empty()) return error.status_json();
  const CodeRow& row = row_of(error.code());
  return status_text(true, error.message(), row.reason, {}, row.http);
}

int http_status_of(const Error& error) {
  if (error.status_json().empty()) return http_of(error.code());
  auto status = Document::parse(std::string_view(error.status_json()));
  int64_t code = status.ok() ? (*status)["code"].integer() : 0;
  return code >= 400 && code < 600 ? static_cast<int>(code) : http_of(error.code());
}

std::string success_status(const StatusDetails& details, int code) { return status_text(false, "", "", details, code); }

}  // namespace bramble

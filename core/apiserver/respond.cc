#include "core/apiserver/respond.h"

#include <algorithm>
#include <set>

#include "core/apiserver/audit.h"
#include "core/apiserver/pretty.h"
#include "core/base/limits.h"
#include "core/json/yaml.h"
#include "core/registry/api_status.h"
#include "core/registry/object_meta.h"
#include "core/schema/protobuf.h"

namespace bramble {

namespace {

size_t characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string_view first_characters(std::string_view text, size_t most) {
  size_t at = 0;
  for (size_t n = 0; at < text.size(); ++at)
    if ((text[at] & 0xc0) != 0x80 && n++ == most) break;
  return text.substr(0, at);
}

// Text of a Warning header: quotes and backslashes escaped.
std::string warning_text(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// Each once, without those that no header can hold, in the length that is sent.
std::vector<std::string_view> shown_warnings(const std::vector<std::string>& warnings) {
  std::vector<std::string_view> all;
  std::set<std::string_view> seen;
  size_t written = 0;
  for (const std::string& w : warnings) {
    if (w.empty() || has_control_character(w) || !seen.insert(w).second) continue;
    all.push_back(w);
    written += characters(w);
  }
  if (written <= limits::kWarningsCharsMax) return all;
  // It notices that it is too much with the one that is, and sends that one and those before it cut.
  size_t whole = 0, noticed = 0, cut_length = 0;
  while (noticed < all.size() && whole <= limits::kWarningsCharsMax) whole += characters(all[noticed++]);
  std::vector<std::string_view> out;
  for (size_t i = 0; i < all.size() && (i < noticed || cut_length < limits::kWarningsCharsMax); ++i) {
    out.push_back(first_characters(all[i], limits::kWarningCharsMax));
    cut_length += characters(out.back());
  }
  return out;
}

// Any object, by what it says of itself.
void send_protobuf(Request& request, int status, const Document& object) {
  ProtobufKind kind{object["apiVersion"].text("v1"), object["kind"].text(), nullptr};  // APIVersions says no version
  kind.type = protobuf_type(kind.api_version, kind.kind);
  if (kind.type == nullptr) return send_error(request, api_not_acceptable());
  request.responder->send(status, answer_headers(request, kProtobufType), make_buffer(protobuf_object(kind, object.root())));
}

bool is_pretty(const Request& request) {
  return wants_pretty(request.info.query.get("pretty"), request.answer.pretty, request.http->header("user-agent"));
}

// When to come again, if the Status says so; for a refusal of ours without a Status of its own, soon.
std::optional<int64_t> retry_after_s(const Error& error) {
  if (error.status_json().empty()) {
    if (error.code() == Code::kTooManyRequests) return 1;
    return std::nullopt;
  }
  if (error.status_json().find("\"retryAfterSeconds\"") == std::string::npos) return std::nullopt;
  auto status = Document::parse(std::string_view(error.status_json()));
  if (!status.ok() || !(*status)["details"]["retryAfterSeconds"].exists()) return std::nullopt;
  return (*status)["details"]["retryAfterSeconds"].integer();
}

}  // namespace

ProtobufKind status_kind() { return {"v1", "Status", Type::find("meta.v1.Status")}; }

ProtobufKind protobuf_kind(const Request& request) {
  if (request.answer.shape == Shape::kWhole) {
    return {api_version_of(*request.kind), std::string(request.kind->kind), request.kind->type};
  }
  return {cat("meta.k8s.io/", request.answer.shape_version), "PartialObjectMetadata", Type::find("meta.v1.PartialObjectMetadata")};
}

std::vector<Header> answer_headers(const Request& request, std::string_view content_type) {
  std::vector<Header> out = {{"content-type", std::string(content_type)}, {"cache-control", "no-cache, private"}};
  if (!request.audit_id.empty()) out.push_back({"audit-id", request.audit_id});
  if (request.last_of_connection) out.push_back({"connection", "close"});
  for (std::string_view w : shown_warnings(request.warnings)) out.push_back({"warning", cat("299 - \"", warning_text(w), "\"")});
  return out;
}

void send_body(Request& request, int status, Buffer json) {
  if (request.answer.type == MediaType::kJson) {
    if (is_pretty(request)) json = make_buffer(indented(*json));
    return request.responder->send(status, answer_headers(request, name_of(MediaType::kJson)), std::move(json));
  }
  auto parsed = Document::parse(json);
  CHECK(parsed.ok(), "answer is not JSON");
  if (request.answer.type == MediaType::kProtobuf) return send_protobuf(request, status, *parsed);
  request.responder->send(status, answer_headers(request, name_of(MediaType::kYaml)), make_buffer(to_yaml(parsed->root())));
}

void send_error(Request& request, const Error& error) {
  MediaType type = negotiate_error(request.http->header("accept"));
  std::string body = status_json_of(error);
  if (type != MediaType::kJson) {
    auto parsed = Document::parse(std::string_view(body));
    CHECK(parsed.ok(), "status is not JSON");
    if (request.audit) request.audit->responded(*parsed);
    body = type == MediaType::kYaml ? to_yaml(parsed->root()) : protobuf_object(status_kind(), parsed->root());
  } else if (is_pretty(request)) {
    body = indented(body);
  }
  std::vector<Header> headers = answer_headers(request, name_of(type));
  if (auto seconds = retry_after_s(error)) headers.push_back({"retry-after", cat(*seconds)});
  if (error.code() == Code::kUnauthenticated) headers.push_back({"www-authenticate", "Bearer realm=\"kubernetes\""});
  request.responder->send(http_status_of(error), std::move(headers), make_buffer(std::move(body)));
}

Result<TableOptions> table_options(const Request& request, const Clock& clock) {
  TableOptions out;
  out.version = request.answer.shape_version;
  out.now_us = clock.wall_us();
  out.quarantine = request.quarantine;
  TRY_ASSIGN(out.include, parse_include_object(request.info.query.get("includeObject")));
  return out;
}

void send_object(Request& request, int status, const Document& object, const Clock& clock) {
  bool protobuf = request.answer.type == MediaType::kProtobuf;
  if (request.audit && request.answer.type != MediaType::kJson) request.audit->responded(object);
  switch (request.answer.shape) {
    case Shape::kWhole:
      if (protobuf) return send_protobuf(request, status, object);
      send_body(request, status, object.bytes());
      return;
    case Shape::kTable: {
      auto options = table_options(request, clock);
      if (!options.ok()) return send_error(request, options.error());
      if (object["kind"].str() == "Scale") {
        return send_body(request, status, make_buffer(scale_table_json(object, *options)));
      }
      if (object["kind"].str() != request.kind->kind) return send_body(request, status, object.bytes());
      ListMeta list_meta;
      list_meta.resource_version = version_of(object);
      return send_body(request, status, make_buffer(table_json(*request.kind, {object}, list_meta, *options)));
    }
    case Shape::kPartialMetadata:
      if (object["kind"].str() == "Status") return protobuf ? send_protobuf(request, status, object) : send_body(request, status, object.bytes());
      if (protobuf) {
        std::string body = protobuf_object(protobuf_kind(request), object.root());
        return request.responder->send(status, answer_headers(request, kProtobufType), make_buffer(std::move(body)));
      }
      return send_body(request, status, make_buffer(partial_json(object.root(), request.answer.shape_version)));
    case Shape::kPartialMetadataList:
      return send_error(request, api_not_acceptable());
  }
}

void send_too_many_requests(Request& request) {
  std::vector<Header> headers = answer_headers(request, "text/plain; charset=utf-8");
  headers.push_back({"x-content-type-options", "nosniff"});
  headers.push_back({"retry-after", cat(request.retry_after_s)});
  request.responder->send(429, std::move(headers), make_buffer("Too many requests, please try again later.\n"));
}

void send_bad_request(Request& request) {
  request.responder->send(400, {{"content-type", "text/plain; charset=utf-8"}, {"connection", "close"}}, make_buffer("400 Bad Request"));
}

void send_text(Request& request, int status, std::string text) {
  std::vector<Header> headers = answer_headers(request, "text/plain; charset=utf-8");
  headers.push_back({"x-content-type-options", "nosniff"});
  request.responder->send(status, std::move(headers), make_buffer(std::move(text)));
}

}  // namespace bramble

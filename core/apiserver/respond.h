// Request: one request on its way through the pipeline; and how its answer is written: whole objects, other shapes, JSON,
// YAML or protobuf, Status of errors, Warning headers. Owner's loop thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/apiserver/negotiation.h"
#include "core/apiserver/request_metrics.h"
#include "core/apiserver/route.h"
#include "core/apiserver/tables.h"
#include "core/base/clock.h"
#include "core/client/client.h"
#include "core/http/server.h"
#include "core/resources/kind.h"
#include "core/schema/protobuf_write.h"

namespace bramble {

class AuditTrail;  // audit.h

struct Request {
  std::shared_ptr<const HttpRequest> http;
  std::shared_ptr<Responder> responder;
  RequestMetrics::Watched* watched = nullptr;  // in responder: how the answer is counted
  AuditTrail* audit = nullptr;                 // in responder: what the audit log tells of it; null: nothing
  RequestInfo info;
  Identity user;
  Answer answer;
  const Kind* kind = nullptr;          // of the resource in the path
  std::vector<std::string> warnings;   // sent as Warning headers (RFC 9111 section 5.5, code 299)
  std::string audit_id;
  Quarantine* quarantine = nullptr;
  bool last_of_connection = false;
  int64_t retry_after_s = 1;           // for who is refused a place
  WatchSeries* events = nullptr;       // of a watch: what is sent
  std::shared_ptr<const void> seat;    // of a watch, while it sends what exists (fairness.h)
};

// A serialized JSON body in the form that the client accepts (JSON as it is, or turned into YAML or protobuf).
void send_body(Request& request, int status, Buffer json);
void send_error(Request& request, const Error& error);
// One object, shaped as negotiated.
void send_object(Request& request, int status, const Document& object, const Clock& clock);
void send_text(Request& request, int status, std::string text);
void send_too_many_requests(Request& request);
void send_bad_request(Request& request);  // what Go's server answers before any handler

// The headers of every answer: content type, cache control, warnings.
std::vector<Header> answer_headers(const Request& request, std::string_view content_type);

// What an object of this request is in protobuf, whole or as PartialObjectMetadata.
ProtobufKind protobuf_kind(const Request& request);
ProtobufKind status_kind();

// Table options of this request. kInvalidArgument for a bad includeObject.
Result<TableOptions> table_options(const Request& request, const Clock& clock);

}  // namespace bramble

// Reading Kubernetes' protobuf by the rows: a request body of application/vnd.kubernetes.protobuf as a JSON document, which
// then takes the way of every other body. Current clients send it for typed writes (kubectl create). Writing: protobuf_write.h.
// Pure; any thread. Follows protocol buffers' wire format (proto2) and the API's protobuf envelope ("k8s\0", runtime.Unknown).
#pragma once

#include <string>
#include <string_view>

#include "core/json/builder.h"
#include "core/schema/type.h"

namespace bramble {

inline constexpr std::string_view kProtobufType = "application/vnd.kubernetes.protobuf";

// The envelope: what kind the object says it is, and its message. kInvalidArgument when it is no envelope.
struct ProtobufEnvelope {
  std::string api_version, kind;
  std::string_view message;  // within the body
};
Result<ProtobufEnvelope> open_protobuf_envelope(std::string_view body);

// The message as JSON with apiVersion and kind of the envelope. Unknown numbers are dropped, as upstream drops them.
// kInvalidArgument: cut short, nested deeper than limits::kJsonDepthMax, or a value in another wire type than its row's.
Result<Document> protobuf_to_json(const Type& type, const ProtobufEnvelope& envelope);

}  // namespace bramble

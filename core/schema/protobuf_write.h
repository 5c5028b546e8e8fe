// Writing Kubernetes' protobuf by the rows, byte for byte as upstream's generated code does: fields in the order of their
// numbers; scalars, strings and messages that are no pointers always, pointers and lists when they are there; maps in the
// order of their keys. Reading is in protobuf.h. Pure; any thread.
// A message is written from its end to its beginning, so that its length is known when its tag is written: one buffer that
// grows, no sizes computed before and no tree in between.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/json/value.h"
#include "core/schema/type.h"

namespace bramble {

// The type of an object that says apiVersion and kind; null when it has no protobuf form (no built-in kind).
const Type* protobuf_type(std::string_view api_version, std::string_view kind);

// What an envelope says of its message.
struct ProtobufKind {
  std::string api_version, kind;
  const Type* type = nullptr;
};

// "k8s\0" and a runtime.Unknown with the message of `object` (canonical JSON; what no row names is left out).
std::string protobuf_object(const ProtobufKind& kind, Value object);

// The same for a list: `meta` is its own metadata, item(i) gives the i-th of `count` objects, asked for from last to first;
// `kind.type` is the type of an item, `kind.kind` the list's. expected_bytes: what to begin with.
std::string protobuf_list(const ProtobufKind& kind, Value meta, size_t count, const std::function<Document(size_t)>& item,
                          size_t expected_bytes);

// One frame of a watch (application/vnd.kubernetes.protobuf;stream=watch): four bytes of length, most significant first, and
// a meta.v1.WatchEvent whose object is an envelope.
std::string protobuf_watch_frame(std::string_view event_type, const ProtobufKind& kind, Value object);

}  // namespace bramble

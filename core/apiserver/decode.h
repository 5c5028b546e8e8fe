// From a request's body to a canonical object with its defaults: what a decoder refuses, what fieldValidation refuses,
// warns of or drops, in upstream's words. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/json/builder.h"
#include "core/resources/kind.h"
#include "core/schema/protobuf.h"

namespace bramble {

enum class FieldValidation { kIgnore, kWarn, kStrict };

// JSON or YAML text as a document. kInvalidArgument "couldn't get version/kind; json parse error: ...", "yaml: line 2: ...",
// with line and column behind unless the text is one short line.
Result<Document> parse_body(std::string_view body, std::string_view media_type);

// A protobuf body (core/schema/protobuf.h) as a document. kInvalidArgument when it is none.
Result<Document> parse_protobuf(const Type& type, std::string_view body);

// What type an object is expected to have: a kind, or a subresource's own ("Scale", "autoscaling/v1").
struct ExpectedType {
  std::string kind, group, version;
  const Type* type = nullptr;
  void (*set_defaults)(Mut object) = nullptr;
  static ExpectedType of(const Kind& kind);
};

// An object as it was read: what fieldValidation speaks of is noted and not judged.
struct Decoded {
  Builder object;
  std::vector<std::string> strict_errors;  // empty when not asked for
};

// The object in canonical form, with defaults. Missing apiVersion and kind are those expected; the outcome of a strategic
// merge patch (kUnstructured) is of the expected type whatever it says. Errors are the decoder's bare texts.
Result<Decoded> decode_noting(const ExpectedType& expected, Value in, bool note, DecodeFrom from = DecodeFrom::kJson);

// The same, with errors and fieldValidation as a create or update answers them.
Result<Builder> decode_object(const ExpectedType& expected, Value in, FieldValidation validation,
                              std::vector<std::string>* warnings);

// parse_body and decode_object, with the errors of both as the Status of a write.
Result<Builder> decode_body(const ExpectedType& expected, std::string_view body, std::string_view media_type,
                            FieldValidation validation, std::vector<std::string>* warnings);

}  // namespace bramble

// What form an answer takes, from the Accept header, and what form a body has, from its Content-Type
// (RFC 9110 section 12.5.1; Kubernetes API concepts, "Alternate representations"). Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace bramble {

enum class MediaType { kJson, kYaml, kProtobuf };
std::string_view name_of(MediaType type);  // "application/json"

// What the object is shown as.
enum class Shape { kWhole, kTable, kPartialMetadata, kPartialMetadataList };

struct Answer {
  MediaType type = MediaType::kJson;
  Shape shape = Shape::kWhole;
  std::string shape_version = "v1";  // of meta.k8s.io
  bool pretty = false;
};

// The first clause of the header, by its own order and weight, that can be given. 406 with upstream's text when none can.
// A Table has no protobuf form.
struct Offer {
  bool shapes = false;   // Tables and PartialObjectMetadata may be asked for on this path
  bool protobuf = true;  // whole objects have a protobuf form
};
Result<Answer> negotiate(std::string_view accept, Offer offer);

// The form of a Status that tells of an error: JSON when the header takes none.
MediaType negotiate_error(std::string_view accept);

// Aggregated discovery: version is "v2" or "v2beta1" when the header asks for APIGroupDiscoveryList before a plain document,
// which "" stands for.
struct DiscoveryAnswer {
  MediaType type = MediaType::kJson;
  std::string version;
};
Result<DiscoveryAnswer> negotiate_discovery(std::string_view accept);

// Pages about this server: text (version is ""), or an object of that group and kind, which must be asked for by name in v1beta1
// or v1alpha1. 406 when the header takes neither.
struct ComponentAnswer {
  MediaType type = MediaType::kJson;
  std::string version;
};
Result<ComponentAnswer> negotiate_component(std::string_view accept, std::string_view group, std::string_view kind);

// Of the media types on offer, the place of the one that the header prefers, its parameters aside.
std::optional<size_t> first_accepted(std::string_view accept, std::span<const std::string_view> offer);

// Media type of a Content-Type header without its parameters, in lower case; "" gives "application/json".
std::string media_type_of(std::string_view content_type);

}  // namespace bramble

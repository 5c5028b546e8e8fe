// What form an answer takes, from the Accept header, and what form a body has, from its Content-Type
// (RFC 9110 section 12.5.1; Kubernetes API concepts, "Alternate representations"). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace bramble {

enum class MediaType { kJson, kYaml, kProtobuf };

// What the object is shown as.
enum class Shape { kWhole, kTable, kPartialMetadata, kPartialMetadataList };

struct Answer {
  MediaType type = MediaType::kJson;
  Shape shape = Shape::kWhole;
  std::string shape_version = "v1";  // of meta.k8s.io
  bool pretty = false;
  std::string_view content_type() const { return type == MediaType::kYaml ? "application/yaml" : "application/json"; }
};

// The first clause of the header, by its own order and weight, that can be given. 406 with upstream's text when none can.
// shapes: whether Tables and PartialObjectMetadata may be asked for on this path.
Result<Answer> negotiate(std::string_view accept, bool shapes);

// Aggregated discovery: "v2" or "v2beta1" when the header asks for APIGroupDiscoveryList before plain JSON; "" for plain.
Result<std::string> negotiate_discovery(std::string_view accept);

// Media type of a Content-Type header without its parameters, in lower case; "" gives "application/json".
std::string media_type_of(std::string_view content_type);

}  // namespace bramble

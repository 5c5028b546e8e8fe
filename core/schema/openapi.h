// OpenAPI v3 documents of the built-in group versions, made from the rows at build time and linked in compressed.
//   GET /openapi/v3                 -> openapi_v3_index()
//   GET /openapi/v3/apis/apps/v1    -> find_openapi_v3("apis/apps/v1"): gzip bytes as they are when the client takes gzip
//                                      (content-encoding: gzip), else openapi_v3_json(); ETag is "\"" + hash + "\"".
// kubectl appends ?hash=... from the index and caches by it; with that hash the answer may be cached for ever.
// Immutable; any thread. OpenAPI v2 and the protobuf forms are not here.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace bramble {

struct OpenApiDocument {
  const char* path;           // "api/v1", "apis/apps/v1"
  const char* hash;           // upper-case hex of the JSON's SHA-256
  const unsigned char* gzip;  // RFC 1952
  size_t gzip_bytes;
  size_t json_bytes;

  std::string_view compressed() const { return {reinterpret_cast<const char*>(gzip), gzip_bytes}; }
};

std::span<const OpenApiDocument> openapi_v3_documents();        // sorted by group, then version
const OpenApiDocument* find_openapi_v3(std::string_view path);  // null when there is none
// {"paths":{"api/v1":{"serverRelativeURL":"/openapi/v3/api/v1?hash=..."},...}}
std::string openapi_v3_index();
// The document as JSON. kCorrupt when the linked bytes do not inflate.
Result<std::string> openapi_v3_json(const OpenApiDocument& document);

}  // namespace bramble

// OpenAPI documents of the built-in group versions, made from the rows at build time and linked in compressed.
//   GET /openapi/v3                 -> openapi_v3_index()
//   GET /openapi/v3/apis/apps/v1    -> find_openapi_v3("apis/apps/v1"): gzip bytes as they are when the client takes gzip
//                                      (content-encoding: gzip), else openapi_bytes(); ETag is "\"" + hash + "\"".
// kubectl appends ?hash=... from the index and caches by it; with that hash the answer may be cached for ever.
//   GET /openapi/v2                 -> openapi_v2(form): all group versions in one document.
// Immutable; any thread. Version 3 in protobuf is not here.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace bramble {

struct OpenApiDocument {
  const char* path;           // "api/v1", "apis/apps/v1"; "v2"
  const char* hash;           // upper-case hex of the JSON's SHA-256; of version 2 its SHA-512
  const unsigned char* gzip;  // RFC 1952
  size_t gzip_bytes;
  size_t whole_bytes;         // when inflated

  std::string_view compressed() const { return {reinterpret_cast<const char*>(gzip), gzip_bytes}; }
};

std::span<const OpenApiDocument> openapi_v3_documents();        // sorted by group, then version
const OpenApiDocument* find_openapi_v3(std::string_view path);  // null when there is none
// {"paths":{"api/v1":{"serverRelativeURL":"/openapi/v3/api/v1?hash=..."},...}}
std::string openapi_v3_index();

enum class OpenApiForm { kJson, kProtobuf };  // the latter as github.com/google/gnostic has it
const OpenApiDocument& openapi_v2(OpenApiForm form);

// The document inflated. kCorrupt when the linked bytes do not inflate.
Result<std::string> openapi_bytes(const OpenApiDocument& document);

}  // namespace bramble

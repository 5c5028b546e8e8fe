#include "core/schema/openapi.h"

#include <zlib.h>

#include "core/base/strings.h"

namespace bramble {

namespace openapi_tables {
extern const OpenApiDocument kDocuments[];
extern const size_t kDocumentCount;
extern const OpenApiDocument kV2Json, kV2Protobuf;
}  // namespace openapi_tables

std::span<const OpenApiDocument> openapi_v3_documents() { return {openapi_tables::kDocuments, openapi_tables::kDocumentCount}; }

const OpenApiDocument* find_openapi_v3(std::string_view path) {
  for (const OpenApiDocument& d : openapi_v3_documents()) {
    if (path == d.path) return &d;
  }
  return nullptr;
}

std::string openapi_v3_index() {
  std::string out = "{\"paths\":{";
  for (const OpenApiDocument& d : openapi_v3_documents()) {
    if (out.back() != '{') out += ",";
    out += cat("\"", d.path, "\":{\"serverRelativeURL\":\"/openapi/v3/", d.path, "?hash=", d.hash, "\"}");
  }
  return out + "}}";
}

const OpenApiDocument& openapi_v2(OpenApiForm form) {
  return form == OpenApiForm::kJson ? openapi_tables::kV2Json : openapi_tables::kV2Protobuf;
}

Result<std::string> openapi_bytes(const OpenApiDocument& document) {
  std::string out(document.whole_bytes, '\0');
  z_stream z{};
  constexpr int kGzipWindow = 16 + MAX_WBITS;
  if (inflateInit2(&z, kGzipWindow) != Z_OK) return Error(Code::kCorrupt, "openapi: zlib does not start");
  z.next_in = const_cast<unsigned char*>(document.gzip);
  z.avail_in = static_cast<unsigned>(document.gzip_bytes);
  z.next_out = reinterpret_cast<unsigned char*>(out.data());
  z.avail_out = static_cast<unsigned>(out.size());
  int outcome = inflate(&z, Z_FINISH);
  inflateEnd(&z);
  if (outcome != Z_STREAM_END || z.avail_out != 0) return Error(Code::kCorrupt, cat("openapi: ", document.path, " does not inflate"));
  return out;
}

}  // namespace bramble

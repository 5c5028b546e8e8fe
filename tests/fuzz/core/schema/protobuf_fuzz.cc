// Bodies of application/vnd.kubernetes.protobuf: read by the rows of a type, brought to canonical form, written, and read
// again: what is written says what was read, and writing that gives the same bytes.
#include <cstddef>
#include <cstdint>

#include "core/base/check.h"
#include "core/schema/engine.h"
#include "core/schema/protobuf.h"
#include "core/schema/protobuf_write.h"

namespace {

using namespace bramble;

std::string written(const Type& type, std::string_view message) {
  ProtobufEnvelope bare;
  bare.message = message;
  auto read = protobuf_to_json(type, bare);
  if (!read.ok()) return {};
  DecodeNotes notes;
  auto canonical = canonicalize(type, read->root(), &notes);
  if (!canonical.ok()) return {};
  Document object = canonical->finish();
  return protobuf_object({"v1", "Any", &type}, object.root());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  auto types = Type::all();
  const Type& type = types[(data[0] << 8 | data[1]) % types.size()];
  std::string_view body(reinterpret_cast<const char*>(data + 2), size - 2);
  auto opened = open_protobuf_envelope(body);
  std::string once = written(type, opened.ok() ? opened->message : body);
  if (once.empty()) return 0;
  auto again = open_protobuf_envelope(once);
  CHECK(again.ok(), "what was written is no envelope");
  CHECK(written(type, again->message) == once, "what was written reads as something else", std::string(type.name()));
  return 0;
}

// Bodies of application/vnd.kubernetes.protobuf: read by the rows of a type, then brought to canonical form.
#include <cstddef>
#include <cstdint>

#include "core/schema/engine.h"
#include "core/schema/protobuf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bramble;
  if (size < 2) return 0;
  auto types = Type::all();
  const Type& type = types[(data[0] << 8 | data[1]) % types.size()];
  std::string_view body(reinterpret_cast<const char*>(data + 2), size - 2);
  ProtobufEnvelope bare;
  bare.message = body;
  auto opened = open_protobuf_envelope(body);
  auto read = protobuf_to_json(type, opened.ok() ? *opened : bare);
  if (!read.ok()) return 0;
  DecodeNotes notes;
  auto canonical = canonicalize(type, read->root(), &notes);
  (void)canonical.ok();
  return 0;
}

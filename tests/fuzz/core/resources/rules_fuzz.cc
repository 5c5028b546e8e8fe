// Objects of any content through the rules of their kind: the first byte picks the kind, the rest is the object.
// Nothing may stumble.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/resources/kind.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bramble;
  if (size < 2) return 0;
  const Kind& kind = all_kinds()[data[0] % all_kinds().size()];
  if (!kind.type) return 0;
  auto parsed = Document::parse(std::string_view(reinterpret_cast<const char*>(data + 1), size - 1));
  if (!parsed.ok() || !parsed->root().is_object()) return 0;
  auto decoded = canonicalize(*kind.type, parsed->root(), nullptr);
  if (!decoded.ok()) return 0;
  if (kind.set_defaults) kind.set_defaults(decoded->root());
  const Document old = decoded->snapshot();
  if (kind.prepare_create) kind.prepare_create(decoded->root());
  if (kind.prepare_update) kind.prepare_update(decoded->root(), old.root());
  const Document object = decoded->finish();
  FieldErrors errors;
  validate_object_meta(object.root(), kind, errors);
  if (kind.validate) kind.validate(object.root(), errors);
  if (kind.validate_update) kind.validate_update(object.root(), old.root(), errors);
  if (kind.validate_status_update) kind.validate_status_update(object.root(), old.root(), errors);
  (void)errors.to_error(kind.group, kind.kind, name_of(object));
  std::vector<std::string> warnings;
  if (kind.warnings) kind.warnings(object.root(), warnings);
  TableRow row(object.root(), 0);
  for (const Column& column : kind.columns) (void)column.cell(row);
  (void)shown_form(kind, stored_form(kind, object));
  return 0;
}

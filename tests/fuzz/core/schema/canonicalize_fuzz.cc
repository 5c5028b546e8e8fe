// The first byte chooses a type. Canonical form is its own canonical form, and has nothing to note.
#include <cstdlib>

#include "core/schema/engine.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bramble;
  if (size == 0) return 0;
  static constexpr const char* kTypes[] = {"core.v1.Pod", "core.v1.Service", "apps.v1.Deployment", "apiextensions.v1.CustomResourceDefinition",
                                           "core.v1.Secret", "coordination.v1.Lease", "meta.v1.ObjectMeta", "core.v1.Node"};
  const Type* type = Type::find(kTypes[data[0] % 8]);
  auto d = Document::parse(std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
  if (!d.ok()) return 0;
  DecodeNotes notes;
  auto first = canonicalize(*type, d->root(), &notes);
  if (!first.ok()) return 0;
  Document once = first->finish();
  DecodeNotes none;
  auto second = canonicalize(*type, once.root(), &none);
  if (!second.ok() || !none.all.empty() || second->dump() != once.root().dump()) std::abort();
  return 0;
}

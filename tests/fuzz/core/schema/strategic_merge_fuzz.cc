// Input: an original Pod and a patch with a zero byte between. A merged object can always be read back.
#include "core/schema/engine.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bramble;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  size_t cut = text.find('\0');
  if (cut == std::string_view::npos) return 0;
  auto original = Document::parse(text.substr(0, cut)), patch = Document::parse(text.substr(cut + 1));
  if (!original.ok() || !patch.ok()) return 0;
  const Type* pod = Type::find("core.v1.Pod");
  auto merged = strategic_merge(pod, original->root(), patch->root());
  if (!merged.ok()) return 0;
  Document d = merged->finish();
  (void)canonicalize(*pod, d.root(), nullptr, DecodeFrom::kUnstructured);
  return 0;
}

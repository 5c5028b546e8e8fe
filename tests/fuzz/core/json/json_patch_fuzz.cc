// Input: an original and a patch with a zero byte between. What is applied can always be read back.
#include <cstdlib>

#include "core/json/patch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bramble;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  size_t cut = text.find('\0');
  if (cut == std::string_view::npos) return 0;
  auto original = Document::parse(text.substr(0, cut)), patch = Document::parse(text.substr(cut + 1));
  if (!original.ok() || !patch.ok()) return 0;
  auto patched = json_patch(original->root(), patch->root());
  if (patched.ok()) patched->finish();
  merge_patch(original->root(), patch->root()).finish();
  return 0;
}

// Input: a live Pod, a set in FieldsV1 and an applied Pod, with zero bytes between. What was read is written and read back
// the same; an applied object fits the schema again and its applier owns what it names; applying twice changes nothing more.
#include <cstdlib>

#include "core/schema/apply/ownership.h"
#include "core/schema/engine.h"

namespace bramble {
namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void run(std::string_view text) {
  const size_t first = text.find('\0');
  if (first == std::string_view::npos) return;
  const size_t second = text.find('\0', first + 1);
  if (second == std::string_view::npos) return;
  auto live = Document::parse(text.substr(0, first)), fields = Document::parse(text.substr(first + 1, second - first - 1)),
       config = Document::parse(text.substr(second + 1));
  Owners owners;
  if (fields.ok()) {
    if (auto set = FieldSet::parse(fields->root()); set.ok()) {
      auto again = Document::parse(std::string_view(set->text()));
      require(again.ok());
      auto read = FieldSet::parse(again->root());
      require(read.ok() && *read == *set);
      require(subtract(*set, *set).empty() && intersect(*set, *set) == *set && unite(*set, *set) == *set);
      owners["old"] = {*set, "v1", true};
      owners["one"] = {*set, "v1", true};
    }
  }
  if (!live.ok() || !config.ok() || !config->root().is_object()) return;
  const Type& pod = *Type::find("core.v1.Pod");
  auto canonical = canonicalize(pod, live->root(), nullptr);
  if (!canonical.ok()) return;
  Document object = canonical->finish();
  ApplyContext context;
  context.version = "v1";
  context.shape = MergeShape(pod);
  if (!misfit(context.shape, config->root(), false).empty()) return;
  auto outcome = apply_config(context, object.root(), config->root(), "one", true, owners);
  if (!outcome.ok()) return;
  Document next = outcome->object ? outcome->object : object;
  (void)misfit(context.shape, next.root(), true);
  auto twice = apply_config(context, next.root(), config->root(), "one", false, outcome->owners);
  require(twice.ok() && twice->conflicts.empty());
  (void)own_by_update(context, object.root(), next.root(), "two", owners);
}

}  // namespace
}  // namespace bramble

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bramble::run(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}

#include "core/resources/cells.h"

#include "core/base/clock.h"
#include "core/base/strings.h"
#include "core/resources/selector.h"

namespace bramble {

Column name_column() {
  return {"Name", kName, [](Value o) { return o["metadata"]["name"].str(); }};
}

Column age_column() {
  return {"Age", kText, [](const TableRow& r) { return age_text(r.object["metadata"]["creationTimestamp"].str(), r.now_us); }};
}

const std::vector<Column>& columns_of(const Kind& kind) {
  static const std::vector<Column> plain = {
      {"Name", kName, [](Value o) { return o["metadata"]["name"].str(); }, "Name must be unique within a namespace."},
      {"Created At", kDate, [](Value o) { return o["metadata"]["creationTimestamp"].str(); },
       "CreationTimestamp is a timestamp representing the server time when this object was created."}};
  return kind.columns.empty() ? plain : kind.columns;
}

std::string age_text(std::string_view rfc3339, int64_t now_us) {
  const auto at = parse_rfc3339(rfc3339);
  return at ? human_duration(now_us - *at) : std::string("<unknown>");
}

static std::string joined_of_containers(Value pod_spec, std::string_view field) {
  std::string out;
  for (Value c : pod_spec["containers"].items()) {
    if (!out.empty()) out += ',';
    out += c[field].str();
  }
  return out;
}
std::string containers_text(Value pod_spec) { return joined_of_containers(pod_spec, "name"); }
std::string images_text(Value pod_spec) { return joined_of_containers(pod_spec, "image"); }

std::string selector_text(Value label_selector) {
  if (!label_selector.is_object()) return "<none>";
  auto selector = LabelSelector::from_object(label_selector);
  if (!selector.ok()) return "<error>";
  std::string text = selector->text();
  return text.empty() ? "<none>" : text;
}

std::string map_text(Value labels, std::string_view none) {
  std::string text = LabelSelector::from_map(labels).text();
  return text.empty() ? std::string(none) : text;
}

}  // namespace bramble

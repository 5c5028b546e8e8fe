#include "core/resources/cells.h"

#include "core/base/clock.h"
#include "core/base/strings.h"
#include "core/resources/selector.h"

namespace bramble {

std::vector<Column> columns_of(std::string_view text) {
  std::vector<Column> out;
  for (std::string_view part : split(text, ',')) {
    const auto words = split(trim(part), ':');
    Column c;
    c.name = words[0];
    c.type = "string";
    for (size_t i = 1; i < words.size(); ++i) {
      if (words[i] == "wide")
        c.priority = 1;
      else if (words[i] == "name")
        c.format = "name";
      else
        c.type = words[i];
    }
    out.push_back(c);
  }
  return out;
}

std::string age_text(std::string_view rfc3339, int64_t now_us) {
  const auto at = parse_rfc3339(rfc3339);
  return at ? human_duration(now_us - *at) : std::string("<unknown>");
}

void append_age(Value object, int64_t now_us, Mut cells) {
  cells.append(age_text(object["metadata"]["creationTimestamp"].str(), now_us));
}

std::string created_at(Value object) { return object["metadata"]["creationTimestamp"].text(); }

void append_containers_and_images(Value pod_spec, Mut cells) {
  std::vector<std::string> names, images;
  for (Value c : pod_spec["containers"].items()) {
    names.push_back(c["name"].text());
    images.push_back(c["image"].text());
  }
  cells.append(join(names, ","));
  cells.append(join(images, ","));
}

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

std::string first_name(Value object) { return object["metadata"]["name"].text(); }

}  // namespace bramble

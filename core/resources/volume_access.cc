#include "core/resources/volume_access.h"

#include <algorithm>

namespace bramble {
namespace {

const std::vector<std::string_view> kAccessModes = {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce",
                                                    "ReadWriteOncePod"};
constexpr std::string_view kClassAnnotation = "volume.beta.kubernetes.io/storage-class";

}  // namespace

void ensure_finalizer(Mut o, std::string_view name) {
  Mut list = o.object("metadata").array("finalizers");
  for (Mut f : list.items())
    if (f.str() == name) return;
  list.append(name);
}

std::string modes_text(Value modes) {
  std::vector<std::string> out;
  for (const auto& [name, shown] : {std::pair<std::string_view, const char*>{"ReadWriteOnce", "RWO"},
                                    {"ReadOnlyMany", "ROX"},
                                    {"ReadWriteMany", "RWX"},
                                    {"ReadWriteOncePod", "RWOP"}})
    for (Value m : modes.items())
      if (m.str() == name) {
        out.push_back(shown);
        break;
      }
  return join(out, ",");
}

std::string go_indented(Value v) {
  const std::string pretty = v.dump_pretty();
  std::string out;
  for (std::string_view line : split(pretty, '\n')) {
    const size_t spaces = std::min(line.find_first_not_of(' '), line.size());
    out += cat(out.empty() ? "" : "\n", std::string(spaces / 2, ' '), line.substr(spaces));
  }
  return out + "\n";
}

std::string class_text(Value o) {
  const std::string_view old_way = o["metadata"]["annotations"][kClassAnnotation].str();
  return old_way.empty() ? o["spec"]["storageClassName"].text() : std::string(old_way);
}

void validate_modes(Value modes, const Path& at, std::string_view missing, FieldErrors& errors) {
  if (modes.size() == 0) errors.required(at, missing);
  validate_known_modes(modes, at, errors);
}

void validate_known_modes(Value modes, const Path& at, FieldErrors& errors) {
  bool once_pod = false, others = false;
  for (Value m : modes.items()) {
    bool known = false;
    for (std::string_view k : kAccessModes) known = known || k == m.str();
    if (!known) errors.not_supported(at, m.str(), kAccessModes);
    once_pod = once_pod || m.str() == "ReadWriteOncePod";
    others = others || (known && m.str() != "ReadWriteOncePod");
  }
  if (once_pod && others) errors.forbidden(at, "may not use ReadWriteOncePod with other access modes");
}

}  // namespace bramble

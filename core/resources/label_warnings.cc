#include "core/resources/label_warnings.h"

#include "core/base/strings.h"

namespace bramble {

std::string_view deprecated_label(std::string_view key) {
  static constexpr std::pair<std::string_view, std::string_view> kDeprecated[] = {
      {"beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"},
      {"beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"},
      {"failure-domain.beta.kubernetes.io/region",
       "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead"},
      {"failure-domain.beta.kubernetes.io/zone", "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"},
      {"beta.kubernetes.io/instance-type", "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"},
      {"app.kubernetes.io/created-by", "deprecated since v1.9"},
      {"scheduler.alpha.kubernetes.io/preferAvoidPods", "deprecated since v1.22; use Taints and Tolerations instead"},
      {"node-role.kubernetes.io/master", "use \"node-role.kubernetes.io/control-plane\" instead"}};
  for (const auto& [label, text] : kDeprecated)
    if (label == key) return text;
  return {};
}

void node_selector_warnings(Value selector, const Path& at, std::vector<std::string>& out) {
  const Value expressions = selector["matchExpressions"];
  for (size_t i = 0; i < expressions.size(); ++i) {
    const std::string_view key = expressions.item(i)["key"].str(), text = deprecated_label(key);
    if (!text.empty()) out.push_back(cat(at.at("matchExpressions").at(i).at("key").text(), ": ", key, " is ", text));
  }
  for (auto [key, value] : selector["matchLabels"].members())
    if (const std::string_view text = deprecated_label(key); !text.empty())
      out.push_back(cat(at.at("matchLabels").at(key).text(), ": ", text));
}

}  // namespace bramble

#include "core/resources/node_affinity.h"

#include "core/base/strings.h"

namespace bramble {
namespace {

bool among(Value values, std::string_view text) {
  for (Value v : values.items())
    if (v.str() == text) return true;
  return false;
}

bool expression_holds(Value e, Value have) {
  const std::string_view op = e["operator"].str();
  const Value values = e["values"];
  if (op == "In") return have.exists() && among(values, have.str());
  if (op == "NotIn") return !have.exists() || !among(values, have.str());
  if (op == "Exists") return have.exists();
  if (op == "DoesNotExist") return !have.exists();
  if (op == "Gt" || op == "Lt") {
    if (!have.exists() || values.size() != 1) return false;
    const auto left = parse_int64(have.str()), right = parse_int64(values.item(0).str());
    if (!left || !right) return false;
    return op == "Gt" ? *left > *right : *left < *right;
  }
  return false;
}

}  // namespace

bool node_matches_term(Value node, Value term) {
  const Value expressions = term["matchExpressions"], fields = term["matchFields"];
  if (expressions.size() + fields.size() == 0) return false;
  for (Value e : expressions.items())
    if (!expression_holds(e, node["metadata"]["labels"][e["key"].str()])) return false;
  for (Value e : fields.items()) {
    if (e["key"].str() != "metadata.name") return false;
    if (!expression_holds(e, node["metadata"]["name"])) return false;
  }
  return true;
}

bool node_matches_selector(Value node, Value node_selector) {
  for (Value term : node_selector["nodeSelectorTerms"].items())
    if (node_matches_term(node, term)) return true;
  return false;
}

bool node_matches_pod(Value node, Value pod) {
  const Value labels = node["metadata"]["labels"];
  for (auto [key, value] : pod["spec"]["nodeSelector"].members()) {
    const Value have = labels[key];
    if (!have.exists() || have.str() != value.str()) return false;
  }
  const Value required = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
  return !required.is_object() || node_matches_selector(node, required);
}

int64_t preferred_node_weight(Value node, Value pod) {
  int64_t sum = 0;
  const Value preferred = pod["spec"]["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"];
  for (Value p : preferred.items())
    if (p["weight"].integer() != 0 && node_matches_term(node, p["preference"])) sum += p["weight"].integer();
  return sum;
}

}  // namespace bramble

#include "core/apiserver/admission_runtime_class.h"

#include "core/base/strings.h"
#include "core/resources/pod_view.h"

namespace bramble {

namespace {

// Whether everything that `narrow` tolerates, `wide` does too.
bool covers(Value wide, Value narrow) {
  if (equal(wide, narrow)) return true;
  std::string_view op = wide["operator"].str();
  if (wide["key"].str() != narrow["key"].str() && !(wide["key"].str().empty() && op == "Exists")) return false;
  std::string_view effect = wide["effect"].str();
  if (!effect.empty() && effect != narrow["effect"].str()) return false;
  if (effect == "NoExecute" && wide["tolerationSeconds"]) {
    Value seconds = narrow["tolerationSeconds"];
    if (!seconds || seconds.integer() > wide["tolerationSeconds"].integer()) return false;
  }
  if (op == "Exists") return true;
  return (op.empty() || op == "Equal") && narrow["operator"].str() == "Equal" && narrow["value"].str() == wide["value"].str();
}

// The pod's own and the class's, without those that another one covers.
Document merged_tolerations(Mut own, Value more) {
  Builder all;
  all.set_root_array();
  for (Mut t : own.items()) all.root().append(t);
  for (Value t : more.items()) all.root().append(t);
  const Document document = all.finish();
  Builder out;
  out.set_root_array();
  std::vector<Value> kept;
  for (size_t i = 0; i < document.root().size(); ++i) {
    Value t = document.root().item(i);
    bool redundant = false;
    for (Value k : kept) redundant = redundant || covers(k, t);
    for (size_t j = i + 1; j < document.root().size(); ++j) {
      Value later = document.root().item(j);
      redundant = redundant || (!equal(later, t) && covers(later, t));
    }
    if (redundant) continue;
    kept.push_back(t);
    out.root().append(t);
  }
  return out.finish();
}

bool same_amounts(Mut given, Value wanted) {
  Builder copy;
  copy.root().set("given", given);
  const Document document = copy.finish();
  return resource_amounts(document["given"]) == resource_amounts(wanted);
}

}  // namespace

std::string apply_runtime_class(const Document& runtime_class, Mut pod) {
  Mut spec = pod.object("spec");
  Value cost = runtime_class["overhead"]["podFixed"];
  if (!runtime_class["overhead"]) {
    if (spec["overhead"].size() > 0) return "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";
  } else {
    if (spec["overhead"].size() > 0 && !same_amounts(spec["overhead"], cost)) {
      return "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
    }
    spec.set("overhead", cost);
  }
  Value scheduling = runtime_class["scheduling"];
  for (auto [key, value] : scheduling["nodeSelector"].members()) {
    Mut own = spec["nodeSelector"][key];
    if (own && own.str() != value.str()) {
      return cat("conflict: runtimeClass.scheduling.nodeSelector[", key, "] = ", value.str(), "; pod.spec.nodeSelector[", key, "] = ", own.str());
    }
    spec.object("nodeSelector").set(key, value);
  }
  if (scheduling["tolerations"].size() > 0) {
    const Document merged = merged_tolerations(spec.array("tolerations"), scheduling["tolerations"]);
    spec.set("tolerations", merged.root());
  }
  return {};
}

}  // namespace bramble

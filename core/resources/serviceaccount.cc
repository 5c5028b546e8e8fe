// ServiceAccount: the identity of pods.
#include "core/resources/cells.h"
#include "core/resources/kinds.h"

namespace bramble {
namespace {

// Of the secrets only their names are kept.
void clean_secrets(Mut o) {
  for (Mut s : o["secrets"].items()) {
    const std::string name = s["name"].text();
    s.clear();
    if (!name.empty()) s.set("name", name);
  }
}
void prepare_update(Mut o, Value) { clean_secrets(o); }

void warnings(Value o, std::vector<std::string>& out) {
  constexpr std::string_view kEnforce = "kubernetes.io/enforce-mountable-secrets";
  if (o["metadata"]["annotations"].has(kEnforce))
    out.push_back(cat("metadata.annotations[", kEnforce,
                      "]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"));
}

}  // namespace

void serviceaccount_rules(Kind& k) {
  k.meta_again = Kind::MetaAgain::kAsBoth;
  k.prepare_create = clean_secrets;
  k.prepare_update = prepare_update;
  k.warnings = warnings;
  k.columns = {name_column(), age_column()};
}

}  // namespace bramble

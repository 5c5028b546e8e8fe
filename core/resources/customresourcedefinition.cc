// CustomResourceDefinition: stored and shown; serving its kinds comes later.
#include "core/resources/defaulting.h"
#include "core/resources/field_rules.h"
#include "core/resources/kinds.h"
#include "core/resources/names.h"
#include "core/resources/transitions.h"

namespace bramble {
namespace {

void default_crd(Mut o) {
  Mut spec = o.object("spec");
  Mut names = spec.object("names");
  if (names["singular"].str().empty()) names.set("singular", lower(names["kind"].str()));
  if (names["listKind"].str().empty() && !names["kind"].str().empty())
    names.set("listKind", cat(names["kind"].str(), "List"));
  default_text(spec.object("conversion"), "strategy", "None");
  if (Mut service = spec["conversion"]["webhook"]["clientConfig"]["service"]; service.is_object())
    default_int(service, "port", 443);
}

void create_crd(Mut o) {
  Mut status = o.object("status");
  status.clear();
  status.set_null("conditions");
  Mut names = status.object("acceptedNames");
  names.set("plural", "");
  names.set("kind", "");
  Mut stored = status.array("storedVersions");
  for (Mut v : o["spec"]["versions"].items())
    if (v["storage"].boolean()) stored.append(v["name"].text());
}

void validate_crd(Value o, FieldErrors& errors) {
  const Path at("spec");
  const Value spec = o["spec"], names = spec["names"];
  const std::string wanted = cat(names["plural"].str(), ".", spec["group"].str());
  if (o["metadata"]["name"].str() != wanted)
    errors.invalid(Path("metadata").at("name"), o["metadata"]["name"].str(),
                   "must be spec.names.plural+\".\"+spec.group");
  if (spec["group"].str().empty())
    errors.required(at.at("group"));
  else
    add_invalid(at.at("group"), spec["group"].str(), check_dns1123_subdomain(spec["group"].str()), errors);
  validate_one_of(spec["scope"].str(), {"Cluster", "Namespaced"}, at.at("scope"), true, errors);
  int storage = 0;
  for (Value v : spec["versions"].items()) storage += v["storage"].boolean() ? 1 : 0;
  if (storage != 1)
    errors.invalid(at.at("versions"), spec["versions"], "must have exactly one version marked as storage version");
  if (names["plural"].str().empty()) errors.required(at.at("names").at("plural"));
  if (names["kind"].str().empty()) errors.required(at.at("names").at("kind"));
}

}  // namespace

void crd_rules(Kind& k) {
  k.set_defaults = default_crd;
  k.prepare_create = create_crd;
  k.prepare_update = keep_status;
  k.prepare_status_update = keep_spec;
  k.validate = validate_crd;
  k.validate_update = [](Value o, Value, FieldErrors& errors) { validate_crd(o, errors); };
}

}  // namespace bramble

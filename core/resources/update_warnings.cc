#include "core/resources/update_warnings.h"

#include <algorithm>

#include "core/json/builder.h"
#include "core/resources/address_warnings.h"
#include "core/resources/kind.h"

namespace bramble {
namespace {

// By the group too: a CustomResourceDefinition may call its resource as it likes.
std::string place_of(const Kind& kind) { return cat(kind.group, "/", kind.resource); }
bool is_one_of(std::string_view place, std::initializer_list<std::string_view> places) {
  return std::find(places.begin(), places.end(), place) != places.end();
}

// The object with another template, or without one.
void warn_with_template(const Kind& kind, Value o, std::string_view field, Value other, std::vector<std::string>& out) {
  Builder b(o);
  b.root().object("spec").set(field, other);
  const Document d = b.finish();
  kind.warnings(d.root(), out);
}

// Only what the old object was not warned of.
void warn_of_new(const Kind& kind, Value o, Value old, std::vector<std::string>& out) {
  std::vector<std::string> now, before;
  kind.warnings(o, now);
  kind.warnings(old, before);
  for (std::string& text : now)
    if (std::find(before.begin(), before.end(), text) == before.end()) out.push_back(std::move(text));
}

}  // namespace

void update_warnings(const Kind& kind, Value o, Value old, std::vector<std::string>& out) {
  if (!kind.warnings) return;
  const std::string place = place_of(kind);
  if (is_one_of(place, {"/pods", "/resourcequotas"})) return;
  const bool same_spec = o["metadata"]["generation"].integer() == old["metadata"]["generation"].integer();
  if (same_spec && is_one_of(place, {"apps/deployments", "apps/replicasets", "/replicationcontrollers", "batch/jobs", "/podtemplates"})) return;
  if (place == "apps/daemonsets" && equal(o["spec"]["template"], old["spec"]["template"])) return;
  if (place == "storage.k8s.io/csidrivers" && equal(o["spec"]["tokenRequests"], old["spec"]["tokenRequests"])) return;
  if (place == "/serviceaccounts" && old["metadata"]["annotations"].has("kubernetes.io/enforce-mountable-secrets")) return;
  if (place == "apiextensions.k8s.io/customresourcedefinitions") return warn_of_new(kind, o, old, out);
  if (place == "apps/statefulsets" && same_spec) return warn_with_template(kind, o, "template", Value(), out);
  if (place == "batch/cronjobs" && same_spec) return warn_with_template(kind, o, "jobTemplate", Value(), out);
  // Upstream takes the old one for the new one here.
  if (place == "/replicationcontrollers") return warn_with_template(kind, o, "template", old["spec"]["template"], out);
  kind.warnings(o, out);
}

void status_warnings(const Kind& kind, Value o, std::vector<std::string>& out) {
  const Path at("status");
  const Value status = o["status"];
  const std::string place = place_of(kind);
  if (is_one_of(place, {"/services", "networking.k8s.io/ingresses"})) {
    const Value points = status["loadBalancer"]["ingress"];
    for (size_t i = 0; i < points.size(); ++i)
      address_warnings(points.item(i)["ip"].str(), at.at("loadBalancer").at("ingress").at(i), out);
  } else if (place == "/pods") {
    for (const char* list : {"podIPs", "hostIPs"})
      for (size_t i = 0; i < status[list].size(); ++i) address_warnings(status[list].item(i)["ip"].str(), at.at(list).at(i).at("ip"), out);
  } else if (place == "admissionregistration.k8s.io/validatingadmissionpolicies" && kind.warnings) {
    kind.warnings(o, out);
  }
}

}  // namespace bramble

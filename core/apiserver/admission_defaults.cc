#include "core/apiserver/admission_defaults.h"

#include <string_view>

namespace bramble {

namespace {

bool is_marked(Value object, std::string_view annotation) { return object["metadata"]["annotations"][annotation].str() == "true"; }

// Times of creation are RFC 3339 in UTC, whole seconds: their order is that of their texts.
bool comes_before(const Document& a, const Document& b) {
  std::string_view made_a = meta(a.root(), "creationTimestamp"), made_b = meta(b.root(), "creationTimestamp");
  return made_a == made_b ? name_of(a) < name_of(b) : made_a > made_b;
}

}  // namespace

bool is_default_storage_class(Value c) {
  return is_marked(c, "storageclass.kubernetes.io/is-default-class") || is_marked(c, "storageclass.beta.kubernetes.io/is-default-class");
}

bool is_default_ingress_class(Value c) { return is_marked(c, "ingressclass.kubernetes.io/is-default-class"); }

Document newest_of(const std::vector<Document>& candidates) {
  Document best;
  for (const Document& c : candidates) {
    if (!best || comes_before(c, best)) best = c;
  }
  return best;
}

bool needs_storage_class(Mut claim) {
  return !claim["spec"].has("storageClassName") && !claim["metadata"]["annotations"].has("volume.beta.kubernetes.io/storage-class");
}

bool needs_ingress_class(Mut ingress) {
  return !ingress["spec"].has("ingressClassName") && !ingress["metadata"]["annotations"].has("kubernetes.io/ingress.class");
}

void copy_topology(Value node, Mut object) {
  for (const char* label : {"topology.kubernetes.io/zone", "topology.kubernetes.io/region"}) {
    Value value = node["metadata"]["labels"][label];
    if (value && !object["metadata"]["labels"].has(label)) object.object("metadata").object("labels").set(label, value);
  }
}

}  // namespace bramble

#include "core/registry/object_meta.h"

#include <set>

namespace bramble {

std::string api_version_of(const Kind& kind) {
  return kind.group.empty() ? std::string(kind.version) : cat(kind.group, "/", kind.version);
}

void fill_system_fields(Mut object, Clock& clock, Random& random) {
  Mut m = object.object("metadata");
  for (const char* key : {"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"}) {
    m.remove(key);
  }
  m.set("uid", random.uuid());
  m.set("creationTimestamp", clock.now_rfc3339());
}

void generate_name(Mut object, Random& random) {
  Mut m = object.object("metadata");
  if (!m["name"].str().empty() || m["generateName"].str().empty()) return;
  constexpr size_t kBaseMax = 63 - 5;
  std::string base = m["generateName"].text().substr(0, kBaseMax);
  m.set("name", cat(base, random.suffix(5)));
}

void dedupe_owner_references(Mut object, std::vector<std::string>* warnings) {
  Mut list = object["metadata"]["ownerReferences"];
  if (list.size() < 2) return;
  std::set<std::string> seen;
  std::vector<std::string> repeated;
  std::vector<Mut> items = list.items();
  for (size_t i = items.size(); i-- > 0;) {
    bool earlier = false;
    for (size_t j = 0; j < i; ++j) earlier = earlier || equal(items[j]["uid"], items[i]["uid"]);
    if (!earlier) continue;
    std::string uid = items[i]["uid"].text();
    // Two references that differ beside the uid are left for validation.
    bool same = false;
    for (size_t j = 0; j < i; ++j) same = same || equal(items[j], items[i]);
    if (seen.insert(uid).second) repeated.push_back(uid);
    if (same) list.remove_item(i);
  }
  if (repeated.empty() || warnings == nullptr) return;
  warnings->push_back(
      cat(".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject "
          "such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ",
          join(repeated, ", ")));
}

Builder ordered(Builder object, const Kind& kind) {
  Mut from = object.root();
  std::vector<std::pair<std::string_view, Mut>> members = from.members();
  if (members.size() >= 3 && members[0].first == "kind" && members[1].first == "apiVersion" && members[2].first == "metadata") {
    from.set("kind", kind.kind);
    from.set("apiVersion", api_version_of(kind));
    return object;
  }
  Builder out;
  Mut to = out.root();
  to.set("kind", kind.kind);
  to.set("apiVersion", api_version_of(kind));
  to.object("metadata");
  for (const auto& [key, value] : members) {
    if (key != "kind" && key != "apiVersion") to.set(key, value);
  }
  return out;
}

}  // namespace bramble

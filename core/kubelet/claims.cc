#include "core/kubelet/claims.h"

#include "core/json/builder.h"
#include "core/resources/pod_view.h"

namespace bramble {

namespace {

bool has_claim(Value volume) { return volume.has("persistentVolumeClaim") || volume.has("ephemeral"); }

std::string claim_name(const Document& pod, Value volume) {
  if (Value claim = volume["persistentVolumeClaim"]) return claim["claimName"].text();
  return cat(PodView(pod).name(), "-", volume["name"].str());
}

bool made_for(const Document& claim, const Document& pod) {
  for (Value owner : claim["metadata"]["ownerReferences"].items())
    if (owner["controller"].boolean() && owner["uid"].str() == uid_of(pod)) return true;
  return false;
}

Result<Document> volume_of_claim(const Snapshot& snapshot, const Document& pod, Value volume, bool begun) {
  std::string name = claim_name(pod, volume);
  Document claim = snapshot.get(resource_ids::kPersistentVolumeClaims, PodView(pod).ns(), name);
  if (!claim) return Error(Code::kNotFound, cat("failed to fetch PVC from API server: persistentvolumeclaims ", go_quote(name), " not found"));
  if (volume.has("ephemeral") && !made_for(claim, pod)) return Error(Code::kConflict, cat("PVC ", PodView(pod).ns(), "/", name, " was not created for pod ", PodView(pod).ns(), "/", PodView(pod).name(), " (pod is not owner)"));
  if (!begun && claim["metadata"].has("deletionTimestamp")) return Error(Code::kConflict, "PVC is being deleted");
  std::string bound = claim["spec"]["volumeName"].text();
  if (claim["status"]["phase"].str() != "Bound" || bound.empty()) return Error(Code::kConflict, "PVC is not bound");
  Document pv = snapshot.get(kPersistentVolumes, "", bound);
  if (!pv) return Error(Code::kNotFound, cat("failed to fetch PV ", go_quote(bound), " from API server: persistentvolumes ", go_quote(bound), " not found"));
  if (pv["spec"]["claimRef"]["uid"].str() != uid_of(claim)) return Error(Code::kConflict, cat("PVC ", go_quote(name), " is bound to PV ", go_quote(bound), ", which is claimed by another"));
  if (pv["spec"]["volumeMode"].str() == "Block") return Error(Code::kInvalidArgument, cat("PV ", go_quote(bound), " has volumeMode Block, which this node cannot give to containers"));
  return pv;
}

}  // namespace

Result<Document> resolve_claims(const Snapshot& snapshot, const Document& pod, bool begun) {
  bool any = false;
  for (Value v : pod["spec"]["volumes"].items()) any = any || has_claim(v);
  if (!any) return pod;
  Builder b(pod.root());
  size_t index = 0;
  for (Value v : pod["spec"]["volumes"].items()) {
    Mut entry = b.root()["spec"]["volumes"].item(index++);
    if (!has_claim(v)) continue;
    auto pv = volume_of_claim(snapshot, pod, v, begun);
    if (!pv.ok())
      return pv.error().prefixed(cat("Unable to attach or mount volumes: unmounted volumes=[", v["name"].str(), "], unattached volumes=[], failed to process volumes=[", v["name"].str(),
                                     "]: error processing PVC ", PodView(pod).ns(), "/", claim_name(pod, v)));
    bool read_only = v["persistentVolumeClaim"]["readOnly"].boolean();
    entry.remove("persistentVolumeClaim");
    entry.remove("ephemeral");
    entry.set("specName", name_of(*pv));
    entry.set("readOnly", read_only);
    for (const char* kind : {"hostPath", "local", "nfs"})
      if (Value source = (*pv)["spec"][kind]) entry.set(kind, source);
    if (Value options = (*pv)["spec"]["mountOptions"]) entry.set("mountOptions", options);
  }
  return b.finish();
}

}  // namespace bramble

// Volumes of a pod (core/v1 ValidateVolumes): exactly one source each, and the rules of the sources.
#include "core/resources/field_rules.h"
#include "core/resources/names.h"
#include "core/resources/pod_spec.h"
#include "core/resources/volume_access.h"
#include "core/resources/volume_source_rules.h"
#include "core/schema/quantity.h"

namespace bramble {
namespace {

void validate_required(Value source, std::initializer_list<const char*> fields, const Path& at, FieldErrors& errors) {
  for (const char* f : fields)
    if (source[f].is_array() ? source[f].size() == 0 : source[f].str().empty()) errors.required(at.at(f));
}

void validate_source(std::string_view type, Value s, const Path& at, FieldErrors& errors) {
  if (type == "emptyDir") {
    const Value limit = s["sizeLimit"];
    const auto q = Quantity::parse(limit.is_string() ? limit.str() : std::string_view("0"));
    if (q.ok() && q->negative())
      errors.forbidden(at.at("sizeLimit"), "SizeLimit field must be a valid resource quantity");
  } else if (type == "secret") {
    validate_required(s, {"secretName"}, at, errors);
    validate_mode(s["defaultMode"], at.at("defaultMode"), errors);
    validate_items(s["items"], at, errors);
  } else if (type == "configMap") {
    validate_required(s, {"name"}, at, errors);
    validate_mode(s["defaultMode"], at.at("defaultMode"), errors);
    validate_items(s["items"], at, errors);
  } else if (type == "downwardAPI") {
    validate_mode(s["defaultMode"], at.at("defaultMode"), errors);
    validate_downward_items(s["items"], at, errors);
  } else if (type == "projected") {
    validate_projected(s, at, errors);
  } else if (type == "persistentVolumeClaim") {
    validate_required(s, {"claimName"}, at, errors);
  } else if (type == "image") {
    validate_required(s, {"reference"}, at, errors);
  } else if (type == "gitRepo") {
    validate_required(s, {"repository"}, at, errors);
  } else if (type == "ephemeral") {
    const Value claim = s["volumeClaimTemplate"];
    const Path claim_at = at.at("volumeClaimTemplate");
    if (!claim.is_object()) return errors.required(claim_at);
    validate_labels(claim["metadata"]["labels"], claim_at.at("metadata").at("labels"), errors);
    validate_annotations(claim["metadata"]["annotations"], claim_at.at("metadata").at("annotations"), errors);
    validate_claim_spec(claim["spec"], claim_at.at("spec"), errors);
  } else {
    validate_volume_source(type, s, "", at, errors);
  }
}

// The order in which upstream looks at them decides which of two is called the surplus one.
constexpr const char* kSources[] = {"emptyDir",
                                    "hostPath",
                                    "gitRepo",
                                    "gcePersistentDisk",
                                    "awsElasticBlockStore",
                                    "secret",
                                    "nfs",
                                    "iscsi",
                                    "glusterfs",
                                    "flexVolume",
                                    "persistentVolumeClaim",
                                    "rbd",
                                    "cinder",
                                    "cephfs",
                                    "flocker",
                                    "downwardAPI",
                                    "fc",
                                    "azureFile",
                                    "configMap",
                                    "vsphereVolume",
                                    "quobyte",
                                    "azureDisk",
                                    "photonPersistentDisk",
                                    "portworxVolume",
                                    "storageos",
                                    "projected",
                                    "scaleIO",
                                    "csi",
                                    "ephemeral",
                                    "image"};

}  // namespace

void validate_relative_path(std::string_view path, const Path& at, FieldErrors& errors) {
  if (!path.empty() && path[0] == '/') errors.invalid(at, path, "must be a relative path");
  validate_no_backsteps(path, at, errors);
}

void validate_volumes(Value volumes, const Path& at, PodSpecContext& context, FieldErrors& errors) {
  for (size_t i = 0; i < volumes.size(); ++i) {
    const Value v = volumes.item(i);
    const Path here = at.at(i);
    const std::string_view name = v["name"].str();
    FieldErrors found;
    int count = 0;
    for (const char* source : kSources) {
      if (!v.has(source)) continue;
      if (count++ > 0)
        found.forbidden(here.at(source), "may not specify more than 1 volume type");
      else
        validate_source(source, v[source], here.at(source), found);
    }
    if (count == 0) found.required(here, "must specify a volume type");
    if (name.empty())
      found.required(here.at("name"));
    else
      add_invalid(here.at("name"), name, check_dns1123_label(name), found);
    if (context.volumes.count(name)) found.duplicate(here.at("name"), name);
    if (found.empty()) context.volumes.insert(std::string(name));
    if (found.empty() && (v.has("persistentVolumeClaim") || v.has("ephemeral"))) context.claim_volumes.insert(std::string(name));
    for (const FieldError& e : found.list()) errors.add(e);
  }
}

}  // namespace bramble
